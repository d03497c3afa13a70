"""Drives an official client through all that it can do with versions, and prints what came back as JSON.

Run by the Python of an environment that has the client:
``official_client.py BASE_URL TOKEN OWNER NAME DIGEST [configuration]``. The last argument asks for the calls about
configurations too, where the client has them.
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


def named(made: dict[str, Any]) -> tuple[Any, ...]:
    """Return the arguments that name a version."""
    if "id" in made:
        return (made["id"],)
    return (f"{owner}/{name}:{made['number']}",) if takes_one_identifier else (owner, name, made["number"])


async def drive(prefix: str) -> dict[str, Any]:
    """Make every call once, by the methods whose names begin with a prefix."""
    called = []

    async def call(method: str, *arguments: Any) -> Any:
        called.append(prefix + method)
        given = getattr(resource, prefix + method)(*arguments)
        return await given if inspect.isawaitable(given) else given

    made = await call("create", *model, params)
    page = await call("list", *model, {"page_size": 5})
    following = await call("list", *model, {"page_size": 5, "cursor": page.next_cursor})
    results = {
        "created": made,
        "got": await call("get", *named(made)),
        "items": page.items + following.items,
        "end": following.next_cursor,
    }
    if has_configuration:
        change = {"hardware_identifier": "gpu", "variable_names": ["KEY"]}
        results["updated"] = await call("update_configuration", *named(made), change)
        results["configuration"] = await call("get_configuration", *named(made))
    try:
        await call("delete", *named(made))
        results["deleted"] = "done"
    except json.JSONDecodeError:
        # Up to 0.34.0, these clients cannot read a response without a body.
        results["deleted"] = "JSONDecodeError"
    return results | {"called": called}


offered = [method for method in dir(resource) if not method.startswith("_")]
print(json.dumps({"sync": asyncio.run(drive("")), "async": asyncio.run(drive("async_")), "offered": offered}))
