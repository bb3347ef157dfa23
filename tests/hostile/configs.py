"""Config files of strangers: what they may name, and how large they may become."""

from collections.abc import Iterator
from pathlib import Path

from hostile.tries import Try

from retina_plugin.config import EVERYTHING, load_config
from retina_plugin.run_folder import read_config

CALLS = "configs of a stranger call nothing but parts of detectors"
SIZES = "config files cannot grow, nest or hang"
MARK = "was_here"

# what a config may not name: not listed, hidden in an admitted package, or reached through a part's own imports
NAMES = [
    *("os.system", "posix.system", "builtins.eval", "builtins.exec", "builtins.open", "subprocess.Popen"),
    *("shutil.rmtree", "pathlib.Path.unlink", "importlib.import_module", "runpy.run_path", "antigravity", "this"),
    *("torch.load", "torch.hub.load", "torch.jit.load", "torch.utils.cpp_extension.load", "torch.os.system"),
    *("torch.serialization.pickle.loads", "torch.nn.init.warnings.warn", "torch.distributed.run.main"),
    *("detectron2.utils.env.os.system", "detectron2.config.instantiate", "detectron2.utils.registry.locate"),
    *("detectron2.data.datasets.coco.convert_to_coco_json", "detectron2.data.build.pickle.loads"),
    *("detectron2.engine.launch", "retina_plugin.files.move_aside", "retina_plugin.engine.main"),
    *("retina_plugin.commands.predict.predict", "hydra.utils.instantiate", "omegaconf.OmegaConf.save"),
    *("numpy.load", "retina_plugin.data.coco.os.system"),
    *("torch.nn", "torch.optim.sgd", "torch.nn.Module.__subclasses__", "torch.nn.Module.__reduce__", "", ".", "a..b"),
    *("torch.nn.attention._fa3._fa3_import_module", "torch.nn.modules.module._addindent"),
    "detectron2.data.build.load_proposals_into_dataset",
    *("torchvision.io.write_file", "torchvision.datasets.utils.download_url", "\x1b[31mred", "x" * 5000),
]  # fmt: skip
PLACES = {
    "a target": "x: {_target_: NAME, a: [touch was_here]}",
    "in a list": "x: [[{_target_: NAME}]]",
    "in a tuple": "x: !!python/tuple [{_target_: NAME}]",
    "an object": "x: !!python/name:NAME",
    "a target that is an object": "x: {_target_: !!python/name:NAME , a: 1}",
}
REFERENCES = {
    "a target by reference": "evil: os.system\nx: {_target_: '${evil}'}",
    "a part of a target by reference": "evil: system\nx: {_target_: 'os.${evil}'}",
    "a resolver that creates": "x: '${oc.create:{_target_:os.system,command:touch was_here}}'",
    "a resolver that decodes": "x: '${oc.decode:\"{_target_: os.system}\"}'",
    "the environment": "x: '${oc.env:HOME}'",
    "a nested reference": "a: os\nx: '${${a}:system}'",
    "a default with a resolver": "x: '${oc.select:a,${oc.env:HOME}}'",
    "two references": "a: 1\nx: '${a}${a}'",
    "proposals that Detectron2 unpickles": "x: {proposal_files: [evil.pkl]}",
    "proposals by reference": "a: [evil.pkl]\nx: {proposal_files: '${a}'}",
    "proposals of a yacs config": "x: {cfg: {DATASETS: {PROPOSAL_FILES_TEST: [evil.pkl]}}}",
    "a reference to itself": "x: '${x}'",
    "a python object": "x: !!python/object/apply:os.system [touch was_here]",
    "a python module": "x: !!python/module:os",
    "an unknown tag": "x: !evil 1",
    "no mapping": "- 1",
    "nothing": "",
    "a tab": "a:\n\t- 1",
    "bytes that are no text": "\ufffe",
}
LARGE = {
    "aliases that double": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)),
    "merges that double": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{p: {{<<: *a{i - 1}}}, q: {{<<: *a{i - 1}}}}}\n" for i in range(1, 40)),
    "an alias of itself": "a: &a [*a]",
    "an alias of a mapping that holds it": "a: &a {b: {c: *a}}",
    "deep lists": "a: " + "[" * 100_000,
    "deep mappings": "a: " + "{a: " * 100_000,
    "deep blocks": "".join(" " * i + "a:\n" for i in range(2000)),
    "closed deep lists": "a: " + "[" * 5000 + "]" * 5000,
    "many values": "a: [" + "1, " * 200_000 + "]",
    "a long integer": "a: " + "9" * 100_000,
    "references that double": "a0: [1, 1]\n"
    + "".join(f"a{i}: ['${{a{i - 1}}}', '${{a{i - 1}}}']\n" for i in range(1, 40)),
    "a chain of references": "a0: 1\n" + "".join(f"a{i}: '${{a{i - 1}}}'\n" for i in range(1, 3000)),
}


def tries() -> Iterator[Try]:
    """Every name in one place and one name in every place, references, and files that grow."""
    for name in NAMES:
        yield _of_stranger(
            f"{name[:60]!r} as a target",
            PLACES["a target"].replace("NAME", f"{name!r}" if name.isprintable() else "a\\e"),
        )
    for place, text in PLACES.items():
        for name in ("os.system", "torch.os.system", "retina_plugin.files.move_aside"):
            yield _of_stranger(f"{name} as {place}", text.replace("NAME", name))
    for name, text in REFERENCES.items():
        yield _of_stranger(name, text)
    for name, text in LARGE.items():
        for trust in ((), EVERYTHING)[: 1 if "references" in name else 2]:  # which a trusted file may have
            yield Try(
                SIZES, f"{name}, {'trusted' if trust else 'not trusted'}", _write(text), _load(trust), "config.yaml"
            )


def _of_stranger(name: str, text: str) -> Try:
    return Try(CALLS, name, _write(text), _read, "config.yaml")


def _write(text: str):
    return lambda folder: (folder / "config.yaml").write_text(text + "\n", encoding="utf-8", errors="surrogatepass")


def _read(folder: Path) -> None:
    try:
        read_config(folder)
    finally:
        assert not (folder / MARK).exists(), "it ran a command"


def _load(trust):
    return lambda folder: load_config(folder / "config.yaml", trust=trust)
