"""Videos and cameras, frame by frame."""

import time

import cv2
import numpy as np
import pytest

from retina_plugin.data import DataError
from retina_plugin.inference import video as video_module
from retina_plugin.inference.images import find_images_and_videos
from retina_plugin.inference.video import Video
from retina_plugin.inference.video_file import VideoFile


def write_video(path, num_frames, fps=10.0, codec="MJPG"):
    """Frame i is grey of about 8 * i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (64, 48))
    for i in range(num_frames):
        writer.write(np.full((48, 64, 3), 8 * i, np.uint8))
    writer.release()
    return path


class FakeCamera:
    """In place of cv2.VideoCapture: a camera 0 that gives 3 frames."""

    def __init__(self, number):
        self.number, self.left = number, 3

    def isOpened(self):
        return self.number == 0

    def get(self, _):
        return -1.0

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self):
        pass


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG")])
def test_every_third_frame_comes_with_its_index_time_and_pixels(tmp_path, name, codec):
    with Video(str(write_video(tmp_path / name, 11, 12.5, codec))) as video:
        frames = list(video.frames(3))
    assert (video.fps, video.num_frames) == (12.5, 11)
    assert [f.index for f in frames] == [0, 3, 6, 9]
    assert [f.seconds for f in frames] == [0, 0.24, 0.48, 0.72]
    for frame in frames:
        assert frame.image.shape == (48, 64, 3) and abs(frame.image.mean() - 8 * frame.index) < 6


def test_a_file_that_ends_early_gives_what_is_there_with_a_warning(tmp_path, caplog):
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    noise = np.random.RandomState(0)
    for _ in range(30):
        writer.write(noise.randint(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[:60_000])
    with Video(str(path)) as video:
        frames = list(video.frames())
    assert 5 < len(frames) < 29
    assert f"ends after {len(frames)} of the 30 frames" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no video", "incomplete or damaged"), (b"", "it is empty"), (None, "does not exist")],
)
def test_a_file_that_is_no_video_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError, match=rf"a.mp4.* {message}"):
        Video(str(tmp_path / "a.mp4"))


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a.avi gives no frame: it has none"):
        Video(str(write_video(tmp_path / "a.avi", 0)))


def test_a_video_whose_codec_is_unknown_is_refused(tmp_path):
    path = write_video(tmp_path / "a.avi", 3, codec="XVID")
    path.write_bytes(path.read_bytes().replace(b"XVID", b"QQQQ").replace(b"FMP4", b"QQQQ"))
    with pytest.raises(DataError, match=r"a.avi.*no decoder for its format or codec"):
        Video(str(path))


def test_a_camera_gives_frames_in_real_time(monkeypatch, caplog):
    monkeypatch.setattr(video_module.cv2, "VideoCapture", FakeCamera)
    with Video("camera:0") as camera:
        start = time.monotonic()
        frames = list(camera.frames())
        passed = time.monotonic() - start
    assert camera.is_camera and camera.num_frames is None
    assert [f.index for f in frames] == [0, 1, 2]
    assert 0 <= frames[0].seconds <= frames[2].seconds and frames[2].seconds - frames[0].seconds <= passed
    assert "camera:0 gives no more frames" in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [("camera:7", "camera:7 cannot be opened"), ("camera:x", "names no camera: write its number")],
)
def test_a_camera_that_is_not_there_is_an_error(monkeypatch, name, message):
    monkeypatch.setattr(video_module.cv2, "VideoCapture", FakeCamera)
    with pytest.raises(DataError, match=message):
        Video(name)


def test_inputs_are_images_videos_and_cameras(tmp_path):
    for name in ("b.png", "a.MP4", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    images, videos = find_images_and_videos([str(tmp_path), "camera:0", f"{tmp_path}/*.MP4", f"{tmp_path}/c.txt"])
    assert [p.name for p in images] == ["b.png", "c.txt"]
    assert videos == [str(tmp_path / "a.MP4"), "camera:0"]
    with pytest.raises(DataError, match="neither an image or a video nor a folder with some"):
        find_images_and_videos([str(tmp_path / "*.mp4")])


def shades(path):
    with Video(str(path)) as video:
        return [round(f.image.mean() / 40) for f in video.frames()]


def test_a_frame_is_shown_from_its_time_on(tmp_path):
    grey = [np.full((48, 64, 3), 40 * i, np.uint8) for i in range(6)]
    with VideoFile(tmp_path / "a.mp4", 10) as file:
        for seconds, number in ((0.3, 1), (0.31, 2), (0.5, 3), (0.6, 4), (0.62, 5)):  # the last is too soon
            file.write(grey[number], seconds)
    assert shades(tmp_path / "a.mp4") == [1, 1, 1, 2, 2, 3, 4]
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_is_kept_when_an_error_ends_it_and_frames_of_other_sizes_fit(tmp_path):
    with pytest.raises(RuntimeError), VideoFile(tmp_path / "a.mp4", 10) as file:
        file.write(np.full((48, 64, 3), 40, np.uint8))
        file.write(np.full((20, 30, 3), 80, np.uint8))
        raise RuntimeError
    assert shades(tmp_path / "a.mp4") == [1, 2]


@pytest.mark.parametrize(
    "fps", [1.0, 23.976024, 29.97003, 59.94006, 65.1234, 66.1234, 118.6131, 654.9968, 655.37, 999.983]
)
def test_every_frame_rate_is_written(tmp_path, fps):
    with VideoFile(tmp_path / "a.mp4", fps) as file:
        file.write(np.zeros((48, 64, 3), np.uint8))
    with Video(str(tmp_path / "a.mp4")) as video:
        assert video.fps == pytest.approx(fps, rel=1e-4)


def test_a_video_that_cannot_be_written_is_named_with_its_size_and_rate(tmp_path):
    with pytest.raises(OSError, match=r"cannot write .*a.mp4.* 64 x 48 pixels at 70000.5 frames per second"):
        with VideoFile(tmp_path / "a.mp4", 70000.5) as file:
            file.write(np.zeros((48, 64, 3), np.uint8))


def test_a_disk_that_is_full_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"earlier")
    with pytest.raises(OSError, match="Is the disk full"), VideoFile(tmp_path / "a.mp4", 10) as file:
        file.write(np.zeros((48, 64, 3), np.uint8))
        file._partial = tmp_path / "elsewhere.mp4"  # so that nothing is where it was written to
    assert (tmp_path / "a.mp4").read_bytes() == b"earlier"
    with pytest.raises(RuntimeError, match="the first error"), VideoFile(tmp_path / "a.mp4", 10) as file:
        file.write(np.zeros((48, 64, 3), np.uint8))
        file._partial = tmp_path / "elsewhere.mp4"
        raise RuntimeError("the first error")
    assert (tmp_path / "a.mp4").read_bytes() == b"earlier"
