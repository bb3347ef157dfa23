# Settings of training apart from model, data, optimizer and schedule.
# Detectron2's lazyconfig_train_net.py reads output_dir, init_checkpoint, max_iter, seed, device, amp.enabled, ddp,
# checkpointer, eval_period, log_period, cudnn_benchmark and float32_precision, and ignores the other keys.
from retina_plugin.config.device import default_device

train = dict(
    output_dir="./output",
    init_checkpoint="",  # initial weights: a .pth, .pkl or .safetensors file, or a detectron2:// address
    init_classes=None,  # names of init_checkpoint's classes, in label order; classes of the same name take its weights
    max_iter=90000,
    seed=0,  # for initial weights, order of images, augmentations, dropout
    deterministic=False,  # use only operations whose results repeat bit for bit, also on a GPU; slower
    device=default_device(),  # "cuda" if there is a GPU, otherwise "cpu"; "auto" means the same
    cudnn_benchmark=False,  # let cuDNN time its algorithms; only faster if image sizes vary little
    float32_precision="",  # of matrix products and convolutions on CUDA: highest, high, medium; "" is torch's default
    amp=dict(
        enabled=False,  # mixed precision
        dtype="auto",  # bfloat16 or, on CUDA only, float16; auto: float16 on CUDA, bfloat16 elsewhere
    ),
    ddp=dict(broadcast_buffers=False, find_unused_parameters=False, fp16_compression=False),
    optimize_model=True,  # on a CPU: same losses up to rounding, in less time; see optimize_for_training
    activation_checkpointing=False,  # less memory for the same losses: compute activations again in the backward pass
    freeze=[],  # modules that are not trained, such as backbone.bottom_up; their BatchNorm is frozen too
    accumulation=1,  # forward passes of each process for one update of total_batch_size images
    clip_grad_norm=None,  # a longer gradient of all parameters is shortened to this norm; null does not clip
    ema_decay=None,  # decay such as .999: average the weights, and evaluate and predict with the average
    nonfinite="stop",  # if a loss or gradient is not finite: stop, or skip the update
    hooks=[],  # L(YourHook)(...): run after evaluation, before metrics are written and checkpoints are saved
    checkpointer=dict(period=5000, max_to_keep=3),
    best_checkpointer=dict(val_metric="bbox/AP", mode="max"),  # selects model_best.pth
    early_stopping=0,  # stop after this many evaluations without a better val_metric; 0 never stops
    max_minutes=None,  # save a checkpoint and stop after this time; continue with --resume
    accept_changes=False,  # let --resume continue with another config or other data
    eval_period=5000,  # iterations between evaluations; 0 evaluates at the end only
    val_loss=False,  # also compute the loss on the test data in evaluations
    log_period=20,
    imbalance_period=0,  # iterations between records of the anchors that loss_cls comes from; 0 for none
    vis_period=1000,  # iterations between pictures of ground truth and detections in TensorBoard; 0 for none
    vis_images=4,  # number of images in these pictures
    wandb=None,  # arguments of wandb.init, such as project; null: not used
    mlflow=None,  # experiment_name and tracking_uri; null: not used
)
