"""What the numbers were measured on."""

import os
import platform
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> dict[str, str]:
    """What the system tells of the first core, by the names of ``/proc/cpuinfo``; empty where there is no such file."""
    with suppress(OSError):
        first = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0]
        return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    return {}


def has_amx() -> bool:
    """Whether the processor multiplies bfloat16 matrices in tiles, which is too fast for the other parts of a step."""
    return "amx_bf16" in processor().get("flags", "").split()


def machine() -> dict[str, Any]:
    """The processor, how much of it, the libraries that compute on it, and how busy it is."""
    told = processor()
    return {
        "cpu": told.get("model name") or platform.processor() or platform.machine(),
        "model": told.get("model", ""),  # virtual machines hide the name of their processor, but not its number
        "amx": has_amx(),
        "cores": CORES,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "numba": _version("numba"),
        "spurlab": _version("spurlab"),
        "load": round(psutil.getloadavg()[0], 2),
    }


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None


def in_words(about: dict[str, Any]) -> str:
    """One line for a person."""
    told = [f"model {about['model']}"] * bool(about["model"]) + ["AMX"] * about["amx"]
    cpu = about["cpu"] + (f" ({', '.join(told)})" if told else "")
    load = f", load {about['load']:g} at the start" if "load" in about else ""
    return f"{cpu}, {about['cores']} cores, {about['memory_gb']:g} GB, torch {about['torch']}{load}"


def file_name(about: dict[str, Any]) -> str:
    """One for each kind of machine and version of PyTorch."""
    cpu = re.sub(r"\(r\)|\(tm\)", "", about["cpu"].lower())
    words = [*re.findall(r"[a-z0-9.]+", cpu), about["model"], "amx" * about["amx"], f"{about['cores']}cores"]
    return "-".join([*filter(None, words), f"torch{about['torch'].split('+')[0]}"]) + ".json"
