"""The faults that the doctor must find in a json; importing this fills `damaged_data.DAMAGES`."""

import copy
import json

from damaged_data import SIZE, Data, damage


@damage("json-missing")
def absent_json(data: Data):
    data.wishes.append("missing")


@damage("json-invalid")
def broken_json(data: Data):
    data.text = json.dumps(data.train)[:-20]


@damage("json-invalid")
def not_a_number(data: Data):
    data.text = json.dumps(data.train).replace(f'"width": {SIZE}', '"width": NaN', 1)


@damage("json-not-coco")
def list_in_place_of_coco(data: Data):
    data.text = "[]"


@damage("json-without-categories")
def no_categories(data: Data):
    data.train["categories"] = []


@damage("annotation-bad-category-id")
def unknown_category(data: Data):
    data.train["annotations"][3]["category_id"] = 77


@damage("annotation-bad-image-id")
def unknown_image(data: Data):
    data.train["annotations"][3]["image_id"] = 77


@damage("category-without-id")
def category_without_id(data: Data):
    del data.train["categories"][1]["id"]


@damage("category-id-twice")
def category_id_twice(data: Data):
    data.train["categories"][1]["id"] = 1


@damage("annotation-id-twice")
def annotation_id_twice(data: Data):
    data.train["annotations"][1]["id"] = 1


@damage("category-ids-shifted")
def ids_from_0_in_annotations(data: Data):
    for a in data.train["annotations"]:
        a["category_id"] -= 1


@damage("category-ids-shifted")
def ids_from_0_in_categories(data: Data):
    for c in data.train["categories"]:
        c["id"] -= 1


@damage("category-ids-differ")
def ids_from_0_in_training(data: Data):
    for c in data.train["categories"]:
        c["id"] -= 1
    for a in data.train["annotations"]:
        a["category_id"] -= 1


@damage("categories-differ")
def other_classes_in_test(data: Data):
    data.val["categories"][1]["name"] = "dirt"


@damage("categories-differ")
def one_class_more_in_test(data: Data):
    data.val["categories"].append({"id": 3, "name": "worm"})


def both(data: Data, category: dict):
    for content in (data.train, data.val):
        content["categories"].append(category)


@damage("background-category")
def background_is_a_class(data: Data):
    both(data, {"id": 0, "name": "__background__"})


@damage("placeholder-category")
def ids_without_a_class(data: Data):
    both(data, {"id": 3, "name": "N/A"})


@damage("placeholder-category")
def all_91_ids_of_coco(data: Data):
    names = "person,street sign,hat,shoe,eye glasses,plate,mirror,window,desk,door,blender".split(",")
    for content in (data.train, data.val):
        content["categories"] = [{"id": i, "name": name} for i, name in enumerate(names, 1)]


@damage("category-name-twice")
def name_twice(data: Data):
    both(data, {"id": 3, "name": "cell"})


@damage("category-names-alike")
def name_in_capitals(data: Data):
    both(data, {"id": 3, "name": "Cell "})


@damage("class-without-boxes")
def class_that_nothing_has(data: Data):
    both(data, {"id": 3, "name": "worm"})


@damage("class-only-in-test")
def class_only_in_test(data: Data):
    for a in data.train["annotations"]:
        a["category_id"] = 1


@damage("class-only-in-train")
def class_only_in_training(data: Data):
    for a in data.val["annotations"]:
        a["category_id"] = 1


@damage("class-rare")
def rare_class(data: Data):
    for a in data.train["annotations"][8:]:
        a["category_id"] = 1


@damage("classes-unequal")
def unequal_classes(data: Data):
    for a in data.train["annotations"][4:]:
        a["category_id"] = 1


@damage("no-annotations")
def no_annotations(data: Data):
    data.train["annotations"] = []


@damage("no-annotations")
def only_crowds_in_test(data: Data):
    for a in data.val["annotations"]:
        a["iscrowd"] = 1


@damage("annotation-bad-bbox")
def negative_width(data: Data):
    data.train["annotations"][3]["bbox"][2] *= -1


@damage("annotation-bad-bbox")
def box_of_three_numbers(data: Data):
    data.train["annotations"][3]["bbox"].pop()


@damage("box-empty")
def zero_width(data: Data):
    data.train["annotations"][3]["bbox"][2] = 0


@damage("box-outside-image")
def outside(data: Data):
    data.add_box(bbox=[SIZE + 5, 3, 12, 12])


@damage("box-mostly-outside")
def mostly_outside(data: Data):
    data.add_box(bbox=[SIZE - 2, 3, 14, 12])


@damage("box-partly-outside")
def partly_outside(data: Data):
    data.add_box(bbox=[-4, 3, 14, 12])


@damage("box-duplicated")
def box_twice(data: Data):
    data.add_box()


@damage("box-nearly-duplicated")
def box_twice_with_a_shift(data: Data):
    data.train["annotations"][0]["bbox"] = [10, 10, 30, 30]
    data.add_box(bbox=[10.5, 10, 30, 30])


@damage("box-of-several-classes")
def two_classes_on_a_box(data: Data):
    data.add_box(category_id=2)


@damage("boxes-as-fractions")
def fractions(data: Data):
    data.boxes(lambda box: [x / SIZE for x in box])


@damage("boxes-as-fractions")
def some_fractions(data: Data):
    data.boxes(lambda box: [x / SIZE for x in box], every=6)


@damage("boxes-as-corners")
def corners(data: Data):
    data.boxes(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])


@damage("boxes-as-corners")
def corners_of_small_numbers(data: Data):
    """None of these ends beyond its image, so that the loader cannot tell."""
    data.boxes(lambda b: [b[0] / 3, b[1] / 3, (b[0] + b[2]) / 2.4, (b[1] + b[3]) / 2.4])


@damage("boxes-as-centres")
def centres(data: Data):
    data.boxes(lambda b: [b[0] + b[2] / 2, b[1] + b[3] / 2, b[2], b[3]])


@damage("boxes-of-another-size")
def of_smaller_images(data: Data):
    data.boxes(lambda b: [x / 2 for x in b])


@damage("boxes-of-another-size")
def of_larger_images(data: Data):
    data.boxes(lambda b: [x * 4 for x in b])


@damage("box-tiny")
def tiny(data: Data):
    data.add_box(bbox=[3, 3, 1.5, 9], area=13)


@damage("box-tiny")
def tiny_after_resizing(data: Data):
    data.wishes.append("shrink")


@damage("box-of-crowd")
def crowd(data: Data):
    data.add_box(bbox=[1, 1, 40, 40], iscrowd=1, area=1600)


@damage("annotation-bad-ignore")
def ignored_region(data: Data):
    data.train["annotations"][3]["ignore"] = 1


@damage("annotation-bad-iscrowd")
def crowd_of_two(data: Data):
    data.train["annotations"][3]["iscrowd"] = 2


@damage("segmentation-unusable")
def line_as_segmentation(data: Data):
    data.train["annotations"][3]["segmentation"] = [[1, 2, 3, 4]]


@damage("area-wrong")
def area_of_another_size(data: Data):
    data.train["annotations"][3]["area"] = SIZE**2


@damage("images-without-objects")
def most_images_empty(data: Data):
    data.train["annotations"] = [a | {"image_id": a["image_id"] % 2 + 1} for a in data.train["annotations"]]


@damage("image-file-twice")
def two_entries_of_a_file(data: Data):
    images = data.train["images"]
    images.append(copy.deepcopy(images[0]) | {"id": 100})


@damage("image-bad-file-name")
def file_outside_the_folder(data: Data):
    data.train["images"][0]["file_name"] = "../../etc/passwd"
