"""Make every call about versions that an official client offers, and print the results as JSON.

Run it with the Python of an environment that has the client:
``official_client.py BASE_URL TOKEN OWNER NAME DIGEST [configuration]``. The last argument adds the calls about
configurations, if the client has them.
"""

import asyncio
import inspect
import json
import sys
from typing import Any

from wriftai import Client

base_url, token, owner, name, digest, *more = sys.argv[1:]
client = Client(api_base_url=base_url, access_token=token)
params: dict[str, Any] = {
    "release_notes": "by the official client",
    "schemas": {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}},
    "container_image_digest": digest,
}

resource: Any = getattr(client, "versions", None) or client.model_versions
takes_one_identifier = "identifier" in inspect.signature(resource.list).parameters
model: tuple[Any, ...] = (f"{owner}/{name}",) if takes_one_identifier else (owner, name)
has_configuration = "configuration" in more and hasattr(resource, "get_configuration")


def reference_of(version: dict[str, Any]) -> tuple[Any, ...]:
    """Return the arguments that identify a version."""
    if "id" in version:
        return (version["id"],)
    return (f"{owner}/{name}:{version['number']}",) if takes_one_identifier else (owner, name, version["number"])


async def drive(prefix: str) -> dict[str, Any]:
    """Make every call once, with the methods whose names begin with a prefix."""
    called = []

    async def call(method: str, *arguments: Any) -> Any:
        called.append(prefix + method)
        result = getattr(resource, prefix + method)(*arguments)
        return await result if inspect.isawaitable(result) else result

    created = await call("create", *model, params)
    reference = reference_of(created)
    page = await call("list", *model, {"page_size": 5})
    following = await call("list", *model, {"page_size": 5, "cursor": page.next_cursor})
    results = {
        "created": created,
        "got": await call("get", *reference),
        "items": page.items + following.items,
        "end": following.next_cursor,
    }
    if has_configuration:
        change = {"hardware_identifier": "gpu", "variable_names": ["KEY"]}
        results["updated"] = await call("update_configuration", *reference, change)
        results["configuration"] = await call("get_configuration", *reference)
    try:
        await call("delete", *reference)
        results["deleted"] = "done"
    except json.JSONDecodeError:
        # Up to 0.34.0, these clients cannot read a response without a body.
        results["deleted"] = "JSONDecodeError"
    return results | {"called": called}


offered = [method for method in dir(resource) if not method.startswith("_")]
print(json.dumps({"sync": asyncio.run(drive("")), "async": asyncio.run(drive("async_")), "offered": offered}))
