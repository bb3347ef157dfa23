"""Names that an earlier version used for objects that are now found elsewhere."""

# name today by former name
MOVED_NAMES = {"retina_plugin.modeling.backbone.lesions.LesionedFPN": "retina_plugin.modeling.AblatedFPN"}
# part of a dotted config key today by its former form
RENAMED_ARGUMENTS = {".names.dials.": ".names.settings.", ".dataset_name.dials.": ".dataset_name.settings."}


def current_key(key: str) -> str:
    """Today's form of a dotted key that an older checkpoint may hold."""
    for before, now in RENAMED_ARGUMENTS.items():
        key = key.replace(before, now)
    return key


def current_name(name: str) -> str:
    """Today's dotted name for one that an older config or checkpoint may hold."""
    return MOVED_NAMES.get(name, name)
