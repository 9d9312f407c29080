"""Promise: openapi.json is the API, no more and no less. (Every answer in tests/test_web_*.py is held against it.)"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from . import web_schema
from .web_rig import Rig

#: Served to browsers only.
PAGES = {"GET /", "GET /static/{name}", "GET /signin"}


def routed(rig):
    """What the application routes: "METHOD path"."""
    rules = rig.site.resource._app.url_map.iter_rules()
    names = [(rule.methods - {"HEAD"}, re.sub(r"<(\w+)>", r"{\1}", rule.rule)) for rule in rules]
    return {f"{method} {path}" for methods, path in names for method in methods}


def described():
    """What the document says: "METHOD path"."""
    found = set()
    for path, item in web_schema.DOCUMENT["paths"].items():
        base = item.get("servers", web_schema.DOCUMENT["servers"])[0]["url"].rstrip("/")
        found |= {f"{method.upper()} {base}{path}" for method in item if method != "servers"}
    return found


def operations():
    for path, item in web_schema.DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                yield f"{method.upper()} {path}", operation


class OpenApi(SynchronousTestCase):
    def test_describes_every_route_and_no_other(self):
        """What is served is described, and what is described is served."""
        self.assertEqual(routed(Rig()) - PAGES, described())

    def test_every_reference_leads_somewhere(self):
        """No reference of the document is broken."""
        for name, operation in operations():
            for response in operation["responses"].values():
                self.assertIn("description", web_schema.resolve(response), name)
            for parameter in operation.get("parameters", ()):
                self.assertIn("name", web_schema.resolve(parameter), name)

    def test_names_the_parameters_that_are_accepted(self):
        """A query parameter of the document is accepted, and any other one is refused with the accepted ones named."""
        rig = Rig()
        rig.add_boiler()
        for name, operation in operations():
            if not name.startswith("GET /") or "servers" in web_schema.DOCUMENT["paths"][name[4:]]:
                continue
            parameters = [web_schema.resolve(one) for one in operation.get("parameters", ())]
            path = name[4:].format(device="boiler-1", command="c1", model="boiler")
            answer = rig.ask("GET", f"{path}?nonsense=1")
            self.assertEqual(answer.status, 400, name)
            accepted = ", ".join(one["name"] for one in parameters if one["in"] == "query")
            self.assertEqual(answer.detail, f"query parameter 'nonsense' is unknown; accepted are {accepted or 'none'}")

    def test_is_served_to_anybody(self):
        """A client is written before there is a token."""
        answer = Rig().ask("GET", "/openapi.json", token=None)
        self.assertEqual(answer.json, web_schema.DOCUMENT)

    def test_the_check_can_fail(self):
        """A response that is not as described is noticed."""
        body = b'{"name": "x", "points": "3", "more": 1}'
        faults = web_schema.faults_of_response("POST", "/api/v1/models", 201, "application/json", body)
        said = ["$: version is missing", "$.points: '3' is no integer", "$: more is not in the schema"]
        self.assertEqual(faults, said)
        self.assertTrue(web_schema.faults_of_response("POST", "/api/v1/models", 418, "application/json", b"{}"))
