"""Every private name of other packages that this package uses or overrides, with the reason.

Private names may change without notice. A test looks for each of them in the installed versions, so that a release
that lacks one is noticed by its name.
"""

PRIVATE_NAMES: dict[str, str] = {
    # checkpoints
    "fvcore.common.checkpoint:_IncompatibleKeys": "type of what _load_model returns",
    "fvcore.common.checkpoint:_strip_prefix_if_present": "names of weights as a model has them, before it loads them",
    "fvcore.common.checkpoint:Checkpointer._log_incompatible_keys": "overridden to keep the keys that do not fit",
    "detectron2.checkpoint:DetectionCheckpointer._load_file": "overridden to run no code of a file",
    "detectron2.checkpoint:DetectionCheckpointer._torch_load": "overridden to run no code of a file",
    "detectron2.checkpoint:DetectionCheckpointer._load_model": "overridden to load averaged weights",
    "detectron2.checkpoint:DetectionCheckpointer._parsed_url_during_load": "stays set after an error",
    "pickle:_Unpickler": "base class of the pickle reader; the public class allocates before it has read",
    # data
    "detectron2.data.samplers:TrainingSampler._rank": "set to 0 to read the order of all processes",
    "detectron2.data.samplers:TrainingSampler._world_size": "set to 1 to read the order of all processes",
    "detectron2.data.detection_utils:_apply_exif_orientation": "rotates images before 16 bits are scaled",
    "detectron2.data.dataset_mapper:utils": "replaced in the code of DatasetMapper.__call__ to read 16-bit images",
    "os:_exit": "public in spite of its name",
    # modeling
    "torch:_C._nn.mkldnn_reorder_conv2d_weight": "lays weights out once, as torch.compile does",
    "torch:ops.mkldnn._convolution_pointwise": "a convolution with its activation, as torch.compile calls it",
    "torch:ops.mkldnn._is_mkldnn_bf16_supported": "whether that works in bfloat16",
    "torch:cpu._is_avx512_bf16_supported": "whether the processor has instructions for bfloat16",
    "torch:cpu._is_amx_tile_supported": "whether it has those of AMX",
    "torch:Tensor._version": "whether weights have changed since they were laid out",
    "torch.nn.modules.utils:_pair": "a number, or one for rows and one for columns, as nn.Conv2d reads them",
    "torch.nn.modules.conv:Conv2d._conv_forward": "a convolution with other weights than its own, whatever its padding",
    "detectron2.layers:CycleBatchNormList._pos": "0, the first level, at the start of a pass",
    "detectron2.modeling:FPN._fuse_type": "FPN variants fuse by sum or average, as FPN does",
    "detectron2.modeling:FPN._out_features": "names of the levels in the order in which FPN returns them",
    "detectron2.modeling:RetinaNet._transpose_dense_predictions": "overridden for losses with K + 1 logits per anchor",
    "detectron2.modeling:RetinaNet._decode_per_level_predictions": "a detector that overrides it is not optimized",
    "detectron2.modeling:RetinaNet._decode_multi_level_predictions": "as _decode_per_level_predictions",
    "detectron2.modeling.meta_arch:DenseDetector._ema_update": "losses of a subclass may call it as upstream's do",
    "torch.nn:Module._register_load_state_dict_pre_hook": "keeps the name of a buffer; public since torch 2.5",
    "torch.nn:Module._load_from_state_dict": "overridden for a buffer that Detectron2's state dicts lack",
    "torch.nn:Module._modules": "children by name, repeated ones too, and what a copy of a detector shares",
    "torch.nn:Module._buffers": "a copy of a detector has its own table of buffers",
    "torch.nn:Module._forward_hooks": "a module with hooks is left as it is",
    "torch.nn:Module._forward_pre_hooks": "as _forward_hooks",
    "torch.nn:Module._backward_hooks": "as _forward_hooks",
    "torch.nn:Module._backward_pre_hooks": "as _forward_hooks",
    "torch.nn:Module._register_state_dict_hook": "keeps the name of a buffer; public since torch 2.5",
    "torch:_C._autograd._get_current_graph_task_keep_graph": "whether backward can run again; if not, memory is reused",
    "torch.nn.modules.batchnorm:_BatchNorm": "base class of all batch norms, which update statistics in every pass",
    # training
    "torch.utils.data.dataloader:_MultiProcessingDataLoaderIter._shutdown_workers": "ends workers after an error too",
    "detectron2.engine:TrainerBase._hooks": "saves the state of every hook, also of several of one class",
    "detectron2.engine:SimpleTrainer._data_loader_iter": "the next batch",
    "detectron2.engine:SimpleTrainer._data_loader_iter_obj": "dropped after training to stop the loader's processes",
    "detectron2.engine:SimpleTrainer._write_metrics": "writes losses of all processes, as Detectron2's trainers do",
    "detectron2.engine.hooks:BestCheckpointer._best_checking": "overridden to count evaluations without improvement",
    "detectron2.engine.hooks:BestCheckpointer._val_metric": "name of the metric",
    "detectron2.engine.hooks:PeriodicWriter._writers": "closed without a last line on the terminal",
    "detectron2.utils.events:JSONWriter._last_write": "moved when a run is resumed, so that no metric is written twice",
    "detectron2.utils.events:TensorboardXWriter._last_write": "as JSONWriter._last_write",
    # evaluation
    "detectron2.evaluation:COCOEvaluator._coco_api": "ground truth of the data set",
    "detectron2.evaluation:COCOEvaluator._eval_predictions": "its code runs with another evaluation of boxes",
    "detectron2.evaluation.coco_evaluation:_evaluate_predictions_on_coco": "replaced in the code of _eval_predictions",
    "detectron2.evaluation:COCOEvaluator._metadata": "whether labels are mapped to category ids",
    "detectron2.evaluation:COCOEvaluator._max_dets_per_image": "number of detections that AP counts",
    "detectron2.evaluation:COCOEvaluator._output_dir": "not set while upstream would save detections a second time",
    "detectron2.evaluation:COCOEvaluator._results": "metrics by task, to which more are added",
    "detectron2.evaluation:COCOEvaluator._tasks": "the tasks that are asked for, of which unknown ones are refused",
    "detectron2.evaluation:COCOEvaluator._derive_coco_results": "overridden to give AP 0 when there are no detections",
}
"""Reason by name. A name is written as `module:attribute.path`, with a module that the name can be imported from."""
