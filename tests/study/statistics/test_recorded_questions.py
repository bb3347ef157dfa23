"""A report tells which questions were changed after the first results, and the correction counts removed ones."""

import json

import pytest
from studies import tiny_study, untrained_study

from retina_plugin.files import write_json
from retina_plugin.study import load_study
from retina_plugin.study.planning.planner import plan
from retina_plugin.study.planning.recorded import counted_questions, late_changes, record_questions
from retina_plugin.study.report.content import collect_content
from retina_plugin.study.report.render import render
from retina_plugin.study.statistics.measurements import Measurements

ALL = [dict(better="b", than="a"), dict(better="c", than="a"), dict(better="c", than="b")]
VARIANTS = {"a": [], "b": ["model.cls_loss_weight=2"], "c": ["model.cls_loss_weight=3"]}


def study_of(folder, *hypotheses, **settings):
    return tiny_study(folder, VARIANTS, hypotheses=list(hypotheses), **settings)


def end_of_a_run(study, seed, error="", variant="a"):
    folder = study.run_dir(variant, seed)
    folder.mkdir(parents=True)
    write_json(folder / "result.json", {"digest": "", "error": error})


def test_questions_may_change_until_there_is_a_result(tmp_path):
    first = study_of(tmp_path, *ALL)
    record_questions(first)
    end_of_a_run(first, 0, error="no memory left")
    second = study_of(tmp_path, ALL[1])
    assert late_changes(second) == ((), ())  # also before it is recorded
    record_questions(second)
    end_of_a_run(second, 1)
    assert late_changes(second) == ((), ()) and counted_questions(second) == ()


def test_changes_after_the_first_result_are_told_and_counted(tmp_path):
    study = study_of(tmp_path, *ALL[:2], seeds=[0, 1])
    record_questions(study)
    end_of_a_run(study, 1)
    later = study_of(tmp_path, *ALL[1:], seeds=[0, 1])
    for _ in range(2):  # before and after the next training is recorded
        added, removed = late_changes(later)
        assert added == later.hypotheses[1:] and removed == study.hypotheses[:1] == counted_questions(later)
        record_questions(later)
    latest = study_of(tmp_path, ALL[2], seeds=[0, 1])
    assert set(late_changes(latest).removed) == set(study.hypotheses)


def test_a_run_that_failed_hides_no_result_of_another_variant(tmp_path):
    study = study_of(tmp_path, *ALL)
    record_questions(study)
    end_of_a_run(study, 0)
    for variant in "bc":
        end_of_a_run(study, 0, error="no memory left", variant=variant)
    assert late_changes(study_of(tmp_path, ALL[0])).removed == study.hypotheses[1:]


def test_new_seeds_are_a_new_study(tmp_path):
    study = study_of(tmp_path, *ALL, seeds=[0])
    record_questions(study)
    end_of_a_run(study, 0)
    later = study_of(tmp_path, ALL[2], seeds=[3, 4])
    record_questions(later)
    end_of_a_run(later, 3)
    assert late_changes(later) == ((), ())
    assert late_changes(study_of(tmp_path, ALL[2], seeds=[0, 3])).removed == study.hypotheses[:2]


def test_a_margin_added_later_is_told_but_no_further_comparison(tmp_path):
    study = study_of(tmp_path, ALL[0])
    record_questions(study)
    end_of_a_run(study, 0)
    later = study_of(tmp_path, ALL[0] | {"margin": 1.0})
    assert late_changes(later) == (later.hypotheses, ())


def test_a_question_without_its_margin_is_no_new_one(tmp_path):
    study = study_of(tmp_path, ALL[0] | {"margin": 1.0})
    record_questions(study)
    end_of_a_run(study, 0)
    assert late_changes(study_of(tmp_path, ALL[0])) == ((), ())


def test_a_plan_counts_the_comparisons_that_a_report_counts(tmp_path):
    study = study_of(tmp_path, *ALL)
    record_questions(study)
    assert "for 1 comparison" in next(plan(study_of(tmp_path, ALL[0])))
    end_of_a_run(study, 0)
    assert "for 3 comparisons" in next(plan(study_of(tmp_path, ALL[0])))


def test_leaving_variants_out_changes_no_question(tmp_path):
    study = study_of(tmp_path, *ALL)
    record_questions(study)
    end_of_a_run(study, 0)
    part = load_study(tmp_path / "study.py", only=["a", "c"])
    assert late_changes(part) == ((), ()) and counted_questions(part) == part.other_questions
    record_questions(part)
    assert len(json.loads((tmp_path / "out" / "questions.json").read_text())) == 1


def test_a_folder_without_a_record_says_nothing(tmp_path):
    study = study_of(tmp_path, *ALL)
    end_of_a_run(study, 0)
    assert late_changes(study) == ((), ())
    record_questions(study)
    assert late_changes(study_of(tmp_path, ALL[0])) == ((), ())


def a_record(seeds="[]", margin="null", name='"AP"'):
    question = f'{{"better": "b", "than": "a", "margin": {margin}, "metric": {{"key": "k", "name": {name}}}}}'
    return f'[{{"seeds": {seeds}, "questions": [{question}]}}]'


@pytest.mark.parametrize(
    "content",
    [
        '[{"questions": 3}]',
        "[1]",
        '[{"questions": [{}], "seeds": [0]}]',
        "{",
        a_record(seeds='[1, "a"]'),
        a_record(margin='"x"'),
        a_record(name='["AP"]'),
    ],
)
def test_a_damaged_record_is_ignored_with_a_warning(tmp_path, content, caplog):
    study = study_of(tmp_path, *ALL)
    study.output_dir.mkdir()
    (study.output_dir / "questions.json").write_text(content)
    assert late_changes(study) == ((), ()) and "questions.json is ignored" in caplog.text


def test_a_report_tells_it(tmp_path):
    study = study_of(tmp_path, *ALL)
    record_questions(study)
    untrained_study(tmp_path, VARIANTS)
    later = study_of(tmp_path, ALL[2] | {"margin": 2.0})
    content = collect_content(later, Measurements([]))
    assert [v.num_comparisons for v in content["verdicts"]] == [3]
    for template in ("report.md.j2", "verdicts.html.j2"):
        text = render(template, content | {"no_images_because": "", "several": False, "bars": [""]})
        assert "Removed after the first results" in text and text.count("The correction still counts it") == 2
        assert text.count("Added after the first results") == 1
