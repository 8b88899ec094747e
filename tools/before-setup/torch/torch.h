// Found by the compiler only where libtorch's own torch/torch.h is not: see .cargo/config.toml.
#error "No libtorch here yet. Run ./x setup first (if you set LIBTORCH yourself: it has no include/torch)."
