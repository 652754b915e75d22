"""Tests for operations, ours and yours.

``check_operation`` runs the whole contract of ``curation_tasks.parts.OperationPart`` on one operation::

    from curation_tasks.testing import check_operation
    from my_package.catalog import shouting

    def test_shouting_keeps_the_contract():
        check_operation(shouting)

``documents`` is a Hypothesis strategy for tests of what an operation does; it needs the package ``hypothesis``.
"""

from curation_tasks.testing.contract import check_operation, context_for, fingerprint
from curation_tasks.testing.made_documents import TRAPS, documents

__all__ = ["TRAPS", "check_operation", "context_for", "documents", "fingerprint"]
