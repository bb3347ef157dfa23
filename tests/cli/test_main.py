"""The command `retina`: what it lists, how it ends, and that help needs no torch."""

import argparse
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from detectron2.engine import default_argument_parser

from retina_cli.arguments import parse
from retina_cli.main import COMMANDS, main
from retina_plugin.study import MATCHES


def end_of(argv, capsys):
    with pytest.raises(SystemExit) as end:
        main(argv)
    return end.value.code, capsys.readouterr()


def test_the_overview_lists_every_command_with_an_example(capsys):
    for argv in ([], ["--help"], ["-h"]):
        code, printed = end_of(argv, capsys)
        assert code == 0
        for name, command in COMMANDS.items():
            assert f"\n  {name} " in printed.out and f"retina {name} {command.example}\n" in printed.out + "\n"


def test_every_example_parses():
    for name, command in COMMANDS.items():
        args = parse(command, name, command.example.split())
        assert vars(args)


def test_an_unknown_command_is_an_error(capsys):
    assert end_of(["detect"], capsys)[0] == "error: there is no command 'detect': `retina --help` lists them"
    assert "did you mean train? " in end_of(["trian"], capsys)[0]


def test_a_failing_command_leaves_no_empty_folders(capsys, tmp_path):
    (tmp_path / "old").mkdir()
    for folder in ("old", "new", "newer/pictures"):
        flags = ["--config-file", "custom/retinanet_MNV2_FPN.py", "--output-dir", f"{tmp_path}/{folder}"]
        code, printed = end_of(["data", *flags], capsys)
        assert code == 1 and "needs values for data.train_images" in printed.err
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_bad_arguments_end_with_status_2_and_bad_input_with_1(capsys):
    code, printed = end_of(["predict", "--config-file", "x", "--input", "y", "--output", "z"], capsys)
    assert code == 2 and "--config-file needs --weights" in printed.err
    code, printed = end_of(["predict", "--run", "nothing", "a.b=1", "--input", "y", "--output", "z"], capsys)
    assert code == 1 and printed.err.startswith("error: run folder nothing does not exist (looked in ")


@pytest.mark.parametrize(
    "argv",
    [
        ["soak", "--config-file", "x", "--kills", "0"],
        ["benchmark", "assign", "--repeats", "0"],
        ["benchmark", "infer", "--config-file", "x", "--size", "0", "64"],
        ["simulate-studies", "tables", "--seeds", "1"],
        ["find-label-errors", "run", "--limit", "-1"],
        ["plant-label-errors", "plant", "--json", "x", "--output", "y", "--seed", "-1"],
        ["simulate-studies", "tables", "--seed", "-1"],
        ["compare", "--runs", "a", "--output", "b", "--num-images", "-1"],
    ],
)
def test_counts_that_are_too_small_are_refused(argv, capsys):
    code, printed = end_of(argv, capsys)
    assert code == 2 and re.search(rf"must be \d or more, got {argv[-1] if argv[-1] != '64' else 0}", printed.err)


@pytest.mark.parametrize("value", ["nan", "-0.1", "1.5", "inf"])
def test_scores_lie_between_0_and_1(value, capsys):
    code, printed = end_of(["compare", "--runs", "a", "--output", "b", f"--score-thresh={value}"], capsys)
    assert code == 2 and f"must be from 0 to 1, got {value}" in printed.err


def test_limits_of_a_search_need_the_search(capsys):
    code, printed = end_of(["analyze-anchors", "--run", "a", "--levels", "p2", "--max-anchors", "9"], capsys)
    assert code == 2 and "--levels and --max-anchors limit the search: add --search" in printed.err


def test_no_images_are_a_count_where_they_leave_anchors_out():
    for name, run in {"report": ["RUN"], "analyze-errors": ["--run", "RUN"]}.items():
        assert parse(COMMANDS[name], name, [*run, "--max-images", "0"]).max_images == 0


def test_help_needs_neither_torch_nor_the_package():
    code = "import sys\nfrom retina_cli.main import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "print({'torch', 'retina_plugin', 'numpy'} & set(sys.modules))"
    for argv in ([], ["ablate", "--help"]):
        done = subprocess.run([sys.executable, "-c", code, *argv], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.endswith("set()\n") and "retina" in done.stdout


def test_every_tool_is_a_command():
    """Except for those of developers, which need tests/ or packages beside this one."""
    found = {}
    for path in ROOT.glob("tools/*.py"):
        names = re.findall(r'run_tool\("([\w-]+)"\)', path.read_text())
        found[path.stem] = names[0] if names else None
    assert {found.pop(name) for name in ("fuzz", "label_error_peers")} == {None}
    assert set(found.values()) == set(COMMANDS)


def test_the_choices_of_match_are_those_of_studies():
    parser = argparse.ArgumentParser()
    COMMANDS["ablate"].add_arguments(parser)
    (match,) = [action for action in parser._actions if action.dest == "match"]
    assert tuple(match.choices) == tuple(MATCHES)


def test_train_has_the_flags_and_defaults_of_detectron2():
    upstream = vars(default_argument_parser().parse_args(["--config-file", "x", "a=1"]))
    ours = vars(parse(COMMANDS["train"], "train", ["a=1", "--config-file", "x"]))
    assert not any(ours.pop(name) for name in ("leave_with_parent", "no_doctor", "no_report"))
    assert ours == upstream | {"dist_url": "auto"}  # upstream's port is the same for all trainings of a user


def test_messages_name_commands_and_no_script_that_an_installation_lacks():
    files = [path for path in ROOT.glob("retina_plugin/**/*") if path.suffix in (".py", ".j2")]
    assert len(files) > 100 and not [x for x in files if re.search(r"tools/\w+\.py", x.read_text(encoding="utf-8"))]


def test_what_a_benchmark_cannot_use_is_said_before_it_measures(capsys, tmp_path):
    sizes = ["losses", "focal", "--images", "1", "--anchors", "9", "--classes", "2", "--repeats", "1"]
    code, printed = end_of(["benchmark", *sizes, "--device", "nonsense"], capsys)
    assert code == 1 and printed.err.startswith("error: --device nonsense is not available: ")
    (tmp_path / "file").touch()
    code, printed = end_of(["benchmark", *sizes, "--output", f"{tmp_path}/file/x.json"], capsys)
    assert code == 1 and not printed.out and "cannot write into the folder" in printed.err
