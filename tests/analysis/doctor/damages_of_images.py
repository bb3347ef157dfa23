"""The faults that the doctor must find in image files; importing this fills `damaged_data.DAMAGES`."""

import shutil

import numpy as np
from damaged_data import SIZE, Data, damage
from PIL import Image


@damage("image-folder-missing")
def no_folder(data: Data):
    shutil.rmtree(data.folder / "images")


@damage("image-missing")
def absent_image(data: Data):
    data.image().unlink()


@damage("image-missing")
def suffix_in_other_case(data: Data):
    data.image().rename(data.image().with_suffix(".PNG"))


@damage("image-unreadable")
def text_as_image(data: Data):
    data.image().write_text("no image")


@damage("image-unreadable")
def empty_file(data: Data):
    data.image().write_bytes(b"")


@damage("image-unreadable")
def truncated_image(data: Data):
    data.image().write_bytes(data.image().read_bytes()[:-600])


@damage("image-unreadable")
def floating_point(data: Data):
    Image.fromarray(np.random.RandomState(0).rand(SIZE, SIZE).astype(np.float32)).save(data.image(), format="TIFF")


@damage("image-size-differs")
def size_of_another_image(data: Data):
    data.train["images"][0]["width"] = 2 * SIZE


def rotate(data: Data):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(data.image()).crop((0, 0, SIZE, SIZE // 2))
    image.save(data.image(), exif=exif)


@damage("image-exif-rotated")
def rotated(data: Data):
    rotate(data)
    data.train["images"][0]["width"] //= 2


@damage("image-size-differs")
def size_before_rotation(data: Data):
    rotate(data)
    data.train["images"][0]["height"] //= 2


@damage("image-grey")
def grey(data: Data):
    Image.open(data.image()).convert("L").save(data.image())


@damage("image-16-bit")
def sixteen_bits(data: Data):
    deep = np.asarray(Image.open(data.image()).convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(data.image())


@damage("image-alpha")
def transparent(data: Data):
    Image.open(data.image()).convert("RGBA").save(data.image())


@damage("image-blank")
def blank(data: Data):
    Image.new("RGB", (SIZE, SIZE), (9, 9, 9)).save(data.image())


@damage("leak-same-file")
def test_data_among_training_data(data: Data):
    data.train["images"].append(data.val["images"][0] | {"id": 100})


@damage("leak-identical")
def copied_test_image(data: Data):
    shutil.copyfile(data.image(2), data.image(1, "val"))


@damage("leak-identical")
def test_image_saved_again(data: Data):
    Image.open(data.image(2)).save(data.image(1, "val"), compress_level=1)


@damage("leak-near-duplicate")
def next_frame_in_test_data(data: Data):
    pixels = np.roll(np.asarray(Image.open(data.image(2)), int), 1, axis=1)
    noisy = pixels + np.random.RandomState(0).randint(-6, 7, pixels.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(data.image(1, "val"))


@damage("image-duplicated")
def copied_training_image(data: Data):
    shutil.copyfile(data.image(2), data.image(3))
