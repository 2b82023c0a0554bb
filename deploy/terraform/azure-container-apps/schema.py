"""Writes schema.json: arguments and blocks of the resources of this folder, as the provider has them.

They stand in the bindings that HashiCorp generated from the provider's schema, a package of PyPI. Only its text is read.
"""

import ast
import json
import pathlib
import re
import subprocess
import tempfile
import zipfile

PACKAGE, VERSION = "cdktf-cdktf-provider-azurerm", "14.23.1"
FOLDER = pathlib.Path(__file__).parent
TYPES = {"builtins.str": "string", "jsii.Number": "number", "builtins.bool": "bool"}


def argument(annotation, required, classes):
    """What an annotation says: the type of an argument, or the fields of a block."""
    text = ast.unparse(annotation)
    kind = "required" if required else "optional"
    nested = [name for name in re.findall(r"'(\w+)'", text) if name in classes]
    if nested:
        return {"block": fields(classes[nested[0]], classes), "is": kind, "repeated": "Sequence[" in text}
    name = next(TYPES[part] for part in re.findall(r"[\w.]+", text) if part in TYPES)
    for container in ("Mapping", "Sequence"):
        if container + "[" in text:
            name = {"Mapping": "map", "Sequence": "list"}[container] + f"({name})"
    return {"type": name, "is": kind}


def fields(struct, classes):
    start = next(part for part in struct.body if isinstance(part, ast.FunctionDef) and part.name == "__init__")
    every = zip(start.args.kwonlyargs, start.args.kw_defaults)
    # Arguments of every resource, such as count, have types of another module.
    own = [(arg, default) for arg, default in every if not re.search(r"\.I?(Terraform|FileProv|SSHProv)", ast.unparse(arg.annotation))]
    return {arg.arg.rstrip("_"): argument(arg.annotation, default is None, classes) for arg, default in own}


def main():
    files = "\n".join(file.read_text() for file in sorted(FOLDER.glob("*.tf")))
    resources = sorted(set(re.findall(r'^(?:# )?resource "azurerm_(\w+)"', files, re.MULTILINE)))
    with tempfile.TemporaryDirectory() as folder:
        download = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, f"{PACKAGE}=={VERSION}"]
        subprocess.run(download, check=True)
        wheel = zipfile.ZipFile(next(pathlib.Path(folder).iterdir()))
    schema = {"package": f"PyPI {PACKAGE} {VERSION}", "provider": "", "resources": {}}
    for resource in resources:
        text = wheel.read(f"{PACKAGE.replace('-', '_')}/{resource}/__init__.py").decode()
        schema["provider"] = "hashicorp/azurerm " + re.search(r"hashicorp/azurerm/([\d.]+)/docs", text)[1]
        classes = {part.name: part for part in ast.parse(text).body if isinstance(part, ast.ClassDef)}
        config = next(part for part in classes.values() if any("TerraformMetaArguments" in ast.unparse(base) for base in part.bases))
        schema["resources"]["azurerm_" + resource] = fields(config, classes)
    (FOLDER / "schema.json").write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")


main()
