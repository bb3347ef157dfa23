"""Detect objects in videos and camera streams; write an annotated video and a json for each."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from detectron2.structures import Instances

from ..data import DataError
from ..engine.reliability.signals import StopSignals, stop_signals
from ..files import json_list
from ..inference.failures import Failures
from ..inference.images import create_folder, drawing_names
from ..inference.predictor import LazyPredictor
from ..inference.text import progress
from ..inference.video import Frame, Video, is_camera
from ..inference.video_file import VideoFile
from ..inference.visualize import draw_detections
from ..printable import shown
from .predict import named_results

_CAMERA_FPS = 10.0  # of a camera's recording, where each frame is repeated until the time of the next
_LOWEST_FPS = 1.0  # of an annotated video: with a large `every`, no frame is shown longer than a second


@dataclass
class Seen:
    """What was detected in one video.

    Attributes:
        name: as the user gave it.
        video: the annotated video; the json lies beside it.
        frames: number of examined frames.
        last: index of the last examined frame.
        seconds: time of the last examined frame.
        found: number of detections; the json has all of them.
        drawn: number of detections over the threshold, by name of their class.
        stopped: number of the signal that stopped the prediction; 0 for none.
    """

    name: str
    video: Path
    frames: int = 0
    last: int = 0
    seconds: float = 0.0
    found: int = 0
    drawn: Counter[str] = field(default_factory=Counter)
    stopped: int = 0

    def __str__(self) -> str:
        high = ", ".join(f"{number} {shown(name)}" for name, number in self.drawn.most_common()) or "none"
        end = f"stopped at frame {self.last} ({self.seconds:.1f} s)" if self.stopped else f"{self.seconds:.1f} s"
        return f"{shown(self.name)}: {self.frames} frames, {end}, {self.found} found, over the threshold: {high}"


def predict_videos(
    predictor: LazyPredictor,
    videos: Sequence[str],
    output: str | Path,
    score_thresh: float = 0.5,
    every: int = 1,
    failures: Failures | None = None,
    draw: bool = True,
) -> list[Seen]:
    """Write NAME.mp4 with drawn detections and NAME.json into the folder `output`, for every video.

    A json has one entry per detection, in COCO's results format, with the frame (from 0, which is also its image_id)
    and its time in seconds. Both files are written while frames are read, so memory does not grow with a video. SIGINT
    (Ctrl-C) and SIGTERM end the video after the current frame and skip the remaining videos; finished frames are saved.
    A video that fails does not stop the others.

    Args:
        predictor: the detector.
        videos: files, or cameras such as "camera:0".
        output: folder.
        score_thresh: minimum score to draw; the json has all detections.
        every: examine and write only every N-th frame.
        failures: collects the errors of videos, which are then not raised.
        draw: whether to write NAME.mp4.

    Raises:
        DataError: if a file would overwrite a video; at the end, for videos that could not be read.
        OSError: if `output` cannot be written to.
    """
    targets = _targets(videos, output, draw)
    results, failed = [], failures or Failures("video")
    with stop_signals() as signals:
        for name, target in zip(videos, targets, strict=True):
            if signals.number:
                break
            with failed.of(name):
                results.append(_predict_video(predictor, name, target, score_thresh, every, signals, draw))
    if failures is None:
        failed.raise_if_any()
    return results


def _predict_video(
    predictor: LazyPredictor, name: str, target: Path, score_thresh: float, every: int, signals: StopSignals, draw: bool
) -> Seen:
    seen = Seen(name, target)
    with Video(name) as video:
        fps = _CAMERA_FPS if video.is_camera else max(video.fps / every, _LOWEST_FPS)
        total = -(-video.num_frames // every) if video.num_frames else None
        frames = progress(video.frames(every), Path(name).name, "frame", total)
        with (
            json_list(target.with_suffix(".json")) as append,
            VideoFile(target, fps) if draw else nullcontext() as file,
        ):
            for frame in frames:
                instances = predictor(frame.image)
                if file:
                    drawing = _drawn(predictor, frame, instances, score_thresh)
                    file.write(drawing, frame.seconds if video.is_camera else None)
                place = {"frame": frame.index, "time": frame.seconds}
                found = [place | one for one in named_results(instances, predictor.metadata)]
                for detection in found:
                    append({"image_id": frame.index, "file_name": Path(name).name} | detection)
                _count(seen, frame, found, score_thresh)
                if signals.number:
                    seen.stopped = signals.number
                    break
    return seen


def _drawn(predictor: LazyPredictor, frame: Frame, instances: Instances, score_thresh: float) -> np.ndarray:
    """A frame (H, W, 3) BGR with its detections."""
    drawing = draw_detections(frame.image[:, :, ::-1], instances, predictor.metadata, score_thresh)
    return np.ascontiguousarray(drawing[:, :, ::-1])


def _count(seen: Seen, frame: Frame, found: Sequence[dict], score_thresh: float) -> None:
    seen.frames += 1
    seen.last, seen.seconds = frame.index, frame.seconds
    seen.found += len(found)
    seen.drawn.update(detection["category_name"] for detection in found if detection["score"] >= score_thresh)


def _targets(videos: Sequence[str], output: str | Path, draw: bool = True) -> list[Path]:
    """The path of every annotated video, in the folder `output`, which is created; without `draw` none is written.

    Raises:
        DataError: if one would overwrite a video that is read.
        OSError: if the folder cannot be created or written to.
    """
    create_folder(output)
    names = [name.replace(":", "_") if is_camera(name) else name for name in videos]
    drawings = drawing_names(["detections", *names])[1:]  # reserves detections.json, which `predict` writes
    targets = [Path(output, name).with_suffix(".mp4") for name in drawings]
    read = {os.path.realpath(name) for name in videos}
    for target in targets if draw else ():
        if os.path.realpath(target) in read:
            raise DataError(f"{shown(target)} would overwrite a video that is read: choose another output folder")
    return targets
