"""Drives an official client through all it can do with versions, and prints what came back as JSON.

Run by the Python of an environment that has the client: ``official_client.py BASE_URL TOKEN OWNER NAME DIGEST``.
"""

import asyncio
import json
import sys
from importlib.metadata import version

from wriftai import Client

base_url, token, owner, name, digest = sys.argv[1:]
client = Client(api_base_url=base_url, access_token=token)
params = {
    "release_notes": "by the official client",
    "schemas": {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}},
    "container_image_digest": digest,
}

if version("wriftai") == "0.13.0":
    resource, model = client.versions, (owner, name)
    named = lambda made: made["id"]  # noqa: E731
else:
    resource, model = client.model_versions, (f"{owner}/{name}",)
    named = lambda made: f"{owner}/{name}:{made['number']}"  # noqa: E731


def deleted(delete, *arguments):
    """Tell how a delete ended for its caller: up to 0.34.0, one without a body is an error of the client's."""
    try:
        delete(*arguments)
    except json.JSONDecodeError:
        return "JSONDecodeError"
    return "done"


def by_sync():
    made = resource.create(*model, params)
    page = resource.list(*model, {"page_size": 5})
    following = resource.list(*model, {"page_size": 5, "cursor": page.next_cursor})
    return {
        "created": made,
        "got": resource.get(named(made)),
        "items": page.items + following.items,
        "end": following.next_cursor,
        "deleted": deleted(resource.delete, named(made)),
    }


async def by_async():
    made = await resource.async_create(*model, params)
    page = await resource.async_list(*model, {"page_size": 5})
    following = await resource.async_list(*model, {"page_size": 5, "cursor": page.next_cursor})
    got = await resource.async_get(named(made))
    try:
        await resource.async_delete(named(made))
        ended = "done"
    except json.JSONDecodeError:
        ended = "JSONDecodeError"
    return {"created": made, "got": got, "items": page.items + following.items, "end": following.next_cursor,
            "deleted": ended}  # fmt: skip


print(json.dumps({"sync": by_sync(), "async": asyncio.run(by_async())}))
