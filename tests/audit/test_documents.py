"""An audit of documents is refused in a sentence that says what tells the same."""

import pytest
from torch import nn

from spurlab.audit import audit
from spurlab.data import load


def test_documents_are_refused():
    with pytest.raises(ValueError, match=r"topics@40 has documents, and an audit looks at images.*`spurlab\.check`"):
        audit(nn.Embedding(3, 4), load("topics@40"), marks=["token:new-1"])
