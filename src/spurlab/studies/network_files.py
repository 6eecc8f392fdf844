"""Whether a folder is on a file system that several machines share: SQLite's usual mode is for one."""

from pathlib import Path

import psutil

# by type; of those in user space (``fuse.*``) all but the ones that are a view of a disk
SHARED = {
    *("9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "moosefs"),
    *("ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb", "smb2", "smb3", "smbfs"),
    *("virtiofs", "webdav", "wekafs"),
}
VIEWS_OF_DISKS = {"fuse.bindfs", "fuse.gocryptfs", "fuse.mergerfs", "fuse.ntfs-3g", "fuse.snapfuse"}


def network_file_system(folder: Path) -> str:
    """The kind of shared file system that a folder is on, e.g. ``nfs4``; "" on a disk of this machine.

    Args:
        folder: need not be there yet.
    """
    parts = psutil.disk_partitions(all=True)
    kinds = {Path(part.mountpoint): part.fstype.lower() for part in parts}  # of one place the last, which covers others
    place = folder.resolve()
    kind = next((kinds[above] for above in (place, *place.parents) if above in kinds), "")
    in_user_space = kind.startswith("fuse.") and kind not in VIEWS_OF_DISKS
    return kind if kind in SHARED or in_user_space else ""
