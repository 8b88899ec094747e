//! Holds the text of `llc paths --help` that belongs to no setting.

/// Commands to start from, and the exit codes.
pub(super) const EXAMPLES: &str = "\
Examples:
  llc paths --preset lab --train-size 8000 --test-size 2000 --llc-every 10
      Two perceptrons on MNIST, segments, a chain with one bend, the plane, and the coefficient at seven points of the chain;
      `llc data fetch mnist` downloads the images.
  llc paths --num-minima 4 --widths 64,64 --curve bezier --num-bends 3 --plane-points 0
      Segments between all pairs of four minima, a Bézier curve of three bends, and no plane.
  llc paths --preset garipov/vgg16-bn --device cuda
      The published experiment: VGG16 with batch norm on CIFAR-10.
  llc paths --llc-every 6 --loss-around own-function
      The coefficient of the function that each point of the curve computes, instead of the loss on labels.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
pub(super) const HEADINGS: [(&str, &str); 8] = [
    ("model.", "The network"),
    ("data.", "The images"),
    ("train.", "The training of each minimum"),
    ("paths.", "The points between minima"),
    ("fit.", "The curve"),
    ("point.", "The loss around points of the curve"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

/// What `--preset` does.
pub(super) const PRESETS: &str = "A published experiment, which all other settings override: lab, an exercise on \
                                  MNIST (lab/deeper, lab/wider, lab/sigmoid), or garipov/vgg16 and garipov/vgg16-bn \
                                  on CIFAR-10";
