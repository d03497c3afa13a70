"""What tasks return: hostile content of versions never reaches Airflow's serialization as anything but text."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.results import version_result

RESERVED = ["__classname__", "__id__", "__version__", "__data__", "__type", "__var"]
FIELDS = {
    "reference", "number", "id", "release_notes", "created_at", "container_image_digest", "size", "schemas", "outcome",
}  # fmt: skip

hostile = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(RESERVED) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from([*RESERVED, "release_notes", "created_at", "size", "schemas", "configuration", "id", "number"]),
        hostile,
    ),
    st.booleans(),
    st.booleans(),
)
def test_only_plain_fields_leave_a_version(body: dict[str, Any], is_numbered: bool, with_schemas: bool) -> None:
    reference = VersionNumber(ModelReference("acme", "det"), 7) if is_numbered else VersionId("a-b")
    result = version_result(VersionRecord.parse(reference, body), with_schemas=with_schemas, outcome="created")
    assert result.keys() <= FIELDS
    assert all(value is None or isinstance(value, str | int | float) for value in result.values())
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert ("schemas" in result) is (with_schemas and "schemas" in body)
    if "schemas" in result:
        assert json.loads(str(result["schemas"])) == body["schemas"]
