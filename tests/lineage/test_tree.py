from __future__ import annotations

import pytest

from curation_tasks.errors import InputError
from curation_tasks.lineage.tree import ancestors, dataset_parents, read_parent
from curation_tasks.manifest import Manifest


def test_ancestors_come_before_what_was_made_from_them_and_each_comes_once(published: Manifest) -> None:
    stages = [item.stage for item in ancestors(published)]

    assert stages == ["resolve", "stories", "essays", "refine", "unique", "private", "export", "publish"]


def test_dataset_parents_are_those_with_documents_in_the_order_of_reading(published: Manifest) -> None:
    tree = {item.uri: item for item in ancestors(published)}
    refine = next(item for item in tree.values() if item.stage == "refine")

    assert [parent.stage for parent in dataset_parents(refine, tree)] == ["stories", "essays"]


def test_a_parent_with_another_digest_is_refused(published: Manifest) -> None:
    parent = dict(published.parents[-1], digest="0" * 64)

    with pytest.raises(InputError, match="no longer the one that was read"):
        read_parent(published, parent)
