"""First words of a worker: imports the extension, takes the runtime from the main process, serves."""

import sys

# Nothing is imported from the working directory.
sys.path[:] = [place for place in sys.path if place]

import importlib.machinery
import importlib.util
import json
import types

path = sys.argv[1]
loader = importlib.machinery.ExtensionFileLoader("_uncia", path)
spec = importlib.util.spec_from_file_location("_uncia", path, loader=loader)
extension = importlib.util.module_from_spec(spec)
loader.exec_module(extension)
sys.modules["_uncia"] = extension

runtime = json.loads(extension.connect(int(sys.argv[2]), int(sys.argv[3])))
compiler = types.ModuleType("uncia_compile")
sys.modules["uncia_compile"] = compiler
exec(compile(runtime["compile"], "uncia_compile.py", "exec"), compiler.__dict__)
host = types.ModuleType("uncia_host")
sys.modules["uncia_host"] = host
exec(compile(runtime["host"], "uncia_host.py", "exec"), host.__dict__)
host.prepare(runtime)
extension.serve(host)
