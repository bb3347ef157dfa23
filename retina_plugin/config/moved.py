"""Names that an earlier version used for objects and keys, and their current names."""

# current name by former name
MOVED_NAMES = {"retina_plugin.modeling.backbone.lesions.LesionedFPN": "retina_plugin.modeling.AblatedFPN"}
# current part of a dotted config key by its former form
RENAMED_ARGUMENTS = {".names.dials.": ".names.settings.", ".dataset_name.dials.": ".dataset_name.settings."}


def current_key(key: str) -> str:
    """The current form of a dotted key, which an older checkpoint may hold in its former form."""
    for before, now in RENAMED_ARGUMENTS.items():
        key = key.replace(before, now)
    return key


def current_name(name: str) -> str:
    """The current dotted name of an object, which an older config or checkpoint may hold by its former name."""
    return MOVED_NAMES.get(name, name)
