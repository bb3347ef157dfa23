"""Detections in videos: the annotated video, and the json beside it."""

import json
import os
import signal

import cv2
import numpy as np
import pytest
from conftest import ROOT

from retina_cli.main import main
from retina_plugin.commands import predict_videos as of
from retina_plugin.commands.predict_videos import predict_videos
from retina_plugin.data import DataError
from retina_plugin.inference.predictor import LazyPredictor
from retina_plugin.inference.video import Video


@pytest.fixture(scope="module")
def predictor(trained_run):
    return LazyPredictor.from_run(trained_run, overrides=["model.max_detections_per_image=3"])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """12 frames of noise at 10 frames per second."""
    path = tmp_path_factory.mktemp("videos") / "film.avi"
    noise = np.random.RandomState(0).randint(0, 255, (12, 48, 64, 3), np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for frame in noise:
        writer.write(frame)
    writer.release()
    return path


def frames_of(path):
    with Video(str(path)) as video:
        return [frame.image for frame in video.frames()]


def test_every_entry_has_frame_and_time_and_the_video_has_the_boxes(predictor, film, tmp_path):
    before = film.read_bytes()
    (seen,) = predict_videos(predictor, [str(film)], tmp_path / "out", score_thresh=0.0, every=5)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["film.json", "film.mp4"]
    found = json.loads((tmp_path / "out/film.json").read_text())
    assert [(f["frame"], f["time"], f["image_id"]) for f in found[::3]] == [(0, 0, 0), (5, 0.5, 5), (10, 1.0, 10)]
    assert set(found[0]) == set("image_id file_name frame time category_id category_name bbox score".split())
    assert (seen.frames, seen.last, seen.found, seen.drawn.total()) == (3, 10, 9, 9)
    plain = frames_of(film)[::5]
    for drawing, image, first in zip(frames_of(tmp_path / "out/film.mp4"), plain, found[::3], strict=True):
        expected = predictor(image)
        assert first["score"] == pytest.approx(expected.scores[0].item())
        large = cv2.resize(image, drawing.shape[1::-1]).astype(int)
        assert np.abs(large - drawing).max() > 100
    assert film.read_bytes() == before


def test_without_drawings_the_json_is_the_same(predictor, film, tmp_path):
    for draw in (True, False):
        predict_videos(predictor, [str(film)], tmp_path / str(draw), every=5, draw=draw)
    assert [p.name for p in (tmp_path / "False").iterdir()] == ["film.json"]
    assert (tmp_path / "False/film.json").read_text() == (tmp_path / "True/film.json").read_text()


def test_a_signal_ends_it_after_the_frame_with_what_was_done(predictor, film, tmp_path, monkeypatch):
    done = []

    def interrupted(*args):
        done.append(predictor(*args))
        if len(done) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return done[-1]

    interrupted.metadata = predictor.metadata
    (seen,) = predict_videos(interrupted, [str(film), str(film)], tmp_path)
    assert (seen.stopped, seen.frames, seen.last) == (signal.SIGINT, 4, 3)
    assert "stopped at frame 3 (0.3 s)" in str(seen)
    found = json.loads((tmp_path / "film.json").read_text())
    assert [f["frame"] for f in found[::3]] == [0, 1, 2, 3]
    assert len(frames_of(tmp_path / "film.mp4")) == 4


def test_an_error_in_a_frame_keeps_the_frames_before_it(predictor, film, tmp_path):
    calls = iter(range(99))

    def failing(image):
        if next(calls) == 2:
            raise RuntimeError("not enough memory")
        return predictor(image)

    failing.metadata = predictor.metadata
    with pytest.raises(DataError, match=r"1 of 1 videos: video .*film.avi: not enough memory"):
        predict_videos(failing, [str(film)], tmp_path)
    assert {f["frame"] for f in json.loads((tmp_path / "film.json").read_text())} == {0, 1}
    assert len(frames_of(tmp_path / "film.mp4")) == 2


def test_a_video_is_never_overwritten(predictor, film, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(film.read_bytes())
    with pytest.raises(DataError, match=r"film.mp4 would overwrite a video"):
        predict_videos(predictor, [str(path)], tmp_path)
    assert path.read_bytes() == film.read_bytes() and len(list(tmp_path.iterdir())) == 1
    predict_videos(predictor, [str(path)], tmp_path, every=12, draw=False)  # writes no video
    assert path.read_bytes() == film.read_bytes() and (tmp_path / "film.json").is_file()


def test_videos_of_one_name_and_cameras_have_files_of_their_own(tmp_path):
    names = [p.name for p in of._targets(["a/x.avi", "b/x.mov", "camera:0", "detections.mp4"], tmp_path)]
    assert names == ["x.mp4", "x_2.mp4", "camera_0.mp4", "detections_2.mp4"]


def test_the_command_takes_images_and_videos_together(trained_run, film, tmp_path, capsys):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "broken.png").write_bytes(b"no image")
    inputs = [str(tmp_path / "broken.png"), str(film), str(ROOT / "docs/demo.jpg"), str(tmp_path / "broken.mp4")]
    argv = ["predict", "--run", str(trained_run), "--input", *inputs, "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as end:
        main([*argv, "--every", "6", "model.max_detections_per_image=2"])
    assert end.value.code == 1
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert "1 of 2 images: cannot read image" in last and "1 of 2 videos: cannot read video" in last
    assert "2 found" in printed.out and "film.avi: 2 frames" in printed.out and "The score threshold" in printed.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == "demo.png detections.json film.json film.mp4".split()
    assert len(printed.err.split("frame/s")) < 5  # no flood in a log
