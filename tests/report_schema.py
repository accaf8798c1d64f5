#!/usr/bin/python3
"""Validates reports against a schema. usage: report_schema.py SCHEMA REPORT...

Exit status: 0 all valid, 1 one is not, 77 the Debian package python3-jsonschema is absent."""
import json
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: jsonschema is not installed (apt install python3-jsonschema)", file=sys.stderr)
    sys.exit(77)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    bad = 0
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            for e in validator.iter_errors(json.load(f)):
                print(f"{path}: {'/'.join(map(str, e.absolute_path))}: {e.message}")
                bad += 1
    return 1 if bad else 0


sys.exit(main())
