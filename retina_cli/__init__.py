"""The command line: `retina COMMAND`, and the same commands as scripts in tools/.

Only the parsers are here. retina_plugin, and with it torch and Detectron2, is imported when a command runs, so that
--help answers at once.
"""
