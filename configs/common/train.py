# Everything that training reads besides model, data, optimizer and schedule.
train = dict(
    output_dir="./output",
    init_checkpoint="",  # weights to start from; a detectron2:// address works too
    max_iter=90000,
    seed=0,  # of initial weights, order of images and augmentations
    device="auto",  # CUDA where there is one, otherwise the CPU; or a device by name
    amp=dict(enabled=False),  # mixed precision; needs CUDA
    ddp=dict(broadcast_buffers=False, find_unused_parameters=False, fp16_compression=False),
    clip_grad_norm=None,  # largest norm of all gradients together; null does not clip
    checkpointer=dict(period=5000, max_to_keep=3),
    best_checkpointer=dict(val_metric="bbox/AP", mode="max"),  # what model_best.pth is best in
    eval_period=5000,  # iterations between evaluations; 0 evaluates at the end only
    log_period=20,
    vis_period=1000,  # iterations between pictures of ground truth and predictions in TensorBoard; 0 for none
    vis_images=4,  # how many images they show
)
