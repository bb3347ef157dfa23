# Everything that training reads besides model, data, optimizer and schedule.
train = dict(
    output_dir="./output",
    init_checkpoint="",  # weights to start from: .pth, .pkl, .safetensors; a detectron2:// address works too
    max_iter=90000,
    seed=0,  # of initial weights, order of images, augmentations, dropout
    deterministic=False,  # only operations that repeat bit by bit on a GPU too; slower
    device="auto",  # CUDA where there is one, otherwise the CPU; or a device by name
    amp=dict(
        enabled=False,  # mixed precision
        dtype="auto",  # bfloat16, or float16 (CUDA only); auto: float16 on CUDA, bfloat16 elsewhere
    ),
    ddp=dict(broadcast_buffers=False, find_unused_parameters=False, fp16_compression=False),
    freeze=[],  # modules that do not learn, such as backbone.bottom_up; their BatchNorm is frozen too
    accumulation=1,  # forward passes of each process for one update of total_batch_size images
    clip_grad_norm=None,  # largest norm of all gradients together; null does not clip
    ema_decay=None,  # .999 and so on keeps averaged weights, which are then evaluated and predict
    nonfinite="stop",  # at a loss or gradient that is no number; skip goes on without that batch
    checkpointer=dict(period=5000, max_to_keep=3),
    best_checkpointer=dict(val_metric="bbox/AP", mode="max"),  # what model_best.pth is best in
    early_stopping=0,  # evaluations without a better val_metric until training ends; 0 for never
    max_minutes=None,  # checkpoint and leave after so long; go on with --resume
    accept_changes=False,  # whether --resume may go on with another config or other data
    eval_period=5000,  # iterations between evaluations; 0 evaluates at the end only
    val_loss=False,  # whether evaluations measure the loss on the test data too
    log_period=20,
    vis_period=1000,  # iterations between pictures of ground truth and predictions in TensorBoard; 0 for none
    vis_images=4,  # how many images they show
    wandb=None,  # arguments of wandb.init, such as project; null for no tracking there
    mlflow=None,  # experiment_name and tracking_uri; null for no tracking there
)
