"""Qdrant's REST interface over the client's local mode: real requests, real JSON, no server to install.

It knows what a gallery asks for and nothing else. Each request is read with the client's own models, so that what is no
valid request, or no JSON, is refused as a server would.
"""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any
from urllib.parse import urlsplit

DONE = {"operation_id": 1, "status": "completed"}
VERSION = "1.19.0"


class Rest:
    """A server at `url`; close it."""

    def __init__(self) -> None:
        from qdrant_client import QdrantClient

        self.client = QdrantClient(":memory:")
        self.lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"rest": self}))
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: list[str], body: Any) -> Any:
        """The result of one request."""
        if path == ["aliases"]:
            return _plain(self.client.get_aliases())
        if path == ["collections"]:
            return _plain(self.client.get_collections())
        if path == ["collections", "aliases"]:
            return self.client.update_collection_aliases(_read("ChangeAliasesOperation", body).actions)
        _, name, *rest = path
        if not rest:
            if method == "DELETE":
                return self.client.delete_collection(name)
            return self.client.create_collection(name, vectors_config=_read("CreateCollection", body).vectors)
        if rest[0] == "index":
            _read("CreateFieldIndex", body)
            return DONE
        if rest[0] == "vectors":
            if method == "DELETE":
                self.client.delete_vector_name(name, rest[1])
            else:
                self.client.create_vector_name(name, rest[1], _read("VectorNameConfig", body))
            return DONE
        return getattr(self, "_" + "_".join([method.lower(), *rest]))(name, body)

    def _put_points(self, name: str, body: Any) -> Any:
        asked = _read("PointsList", body)
        self.client.upsert(name, asked.points, update_mode=asked.update_mode)
        return DONE

    def _post_points(self, name: str, body: Any) -> Any:
        asked = _read("PointRequest", body)
        found = self.client.retrieve(name, asked.ids, with_payload=asked.with_payload, with_vectors=asked.with_vector)
        return _plain(found)

    def _post_points_scroll(self, name: str, body: Any) -> Any:
        asked = _read("ScrollRequest", body)
        points, offset = self.client.scroll(
            name, asked.filter, limit=asked.limit, offset=asked.offset, with_payload=asked.with_payload,
            with_vectors=asked.with_vector,
        )  # fmt: skip
        return {"points": _plain(points), "next_page_offset": offset}

    def _post_points_count(self, name: str, body: Any) -> Any:
        return _plain(self.client.count(name, _read("CountRequest", body).filter))

    def _post_points_delete(self, name: str, body: Any) -> Any:
        self.client.delete(name, _read("PointsSelector", body))
        return DONE

    def _post_points_payload(self, name: str, body: Any) -> Any:
        from qdrant_client.http import models

        asked = _read("SetPayload", body)
        which = asked.points if asked.points is not None else models.FilterSelector(filter=asked.filter)
        self.client.set_payload(name, asked.payload, points=which)
        return DONE

    def _put_points_vectors(self, name: str, body: Any) -> Any:
        self.client.update_vectors(name, _read("UpdateVectors", body).points)
        return DONE

    def _post_points_batch(self, name: str, body: Any) -> Any:
        operations = _read("UpdateOperations", body).operations
        self.client.batch_update_points(name, operations)
        return [DONE] * len(operations)

    def _post_points_query_batch(self, name: str, body: Any) -> Any:
        searches = _read("QueryRequestBatch", body).searches
        for search in searches:
            search.params = None  # the local mode warns of being told how to search
        return [_plain(one) for one in self.client.query_batch_points(name, searches)]


class _Handler(http.server.BaseHTTPRequestHandler):
    rest: Rest
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path.strip("/").split("/")
        answer: dict[str, Any]
        code, answer = 200, {"title": "qdrant", "version": VERSION}
        if path != [""]:
            try:
                body = json.loads(data, parse_constant=_no_constant) if data else {}
                with self.rest.lock:
                    answer = {"result": self.rest.answer(self.command, path, body), "status": "ok", "time": 0.0}
            except (ValueError, KeyError) as error:
                code, answer = 400, {"status": {"error": str(error)}, "time": 0.0}
        text = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 # the base class calls them so

    def log_message(self, *_: object) -> None:
        pass


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _read(model: str, body: Any) -> Any:
    """A request's body, as the client's model of that name."""
    from pydantic import TypeAdapter
    from qdrant_client.http import models

    return TypeAdapter(getattr(models, model)).validate_python(body)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return json.loads(value.model_dump_json())
