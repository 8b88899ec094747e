"""Lists the wheels that hold libtorch, by platform and variant, with the size and SHA-256 of each.

The versions of CUDA's libraries are those that the metadata of torch 2.11.0 asks for. To move to another release: follow
tch's, fetch with `pip download --platform …`, and enter what `sha256sum` says. Small wheels come first, so that a network
that fails does so early.
"""

from collections import namedtuple

# The release that the version of tch in Cargo.toml is written for.
TORCH_VERSION = "2.11.0"

# One wheel, as pip knows it.
Wheel = namedtuple("Wheel", "name version size_bytes sha256")

LINUX_X86_64_CPU = [
    Wheel("nvidia-cuda-runtime", "13.0.96", 2243632,
          "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
    Wheel("nvidia-cuda-cupti", "13.0.85", 10715597,
          "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"),
    Wheel("torch", "2.11.0", 530604548,
          "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a"),
]

LINUX_X86_64_CUDA = [
    Wheel("nvidia-cublas", "13.1.0.3", 423133236,
          "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171"),
    Wheel("nvidia-cuda-nvrtc", "13.0.88", 90215200,
          "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"),
    Wheel("nvidia-cudnn-cu13", "9.19.0.56", 366066321,
          "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf"),
    Wheel("nvidia-cufft", "12.0.0.61", 214085489,
          "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3"),
    Wheel("nvidia-cufile", "1.15.1.6", 1223672,
          "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44"),
    Wheel("nvidia-curand", "10.4.0.35", 59544258,
          "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc"),
    Wheel("nvidia-cusolver", "12.0.4.66", 200941980,
          "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112"),
    Wheel("nvidia-cusparse", "12.6.3.3", 145942937,
          "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b"),
    Wheel("nvidia-cusparselt-cu13", "0.8.0", 169884119,
          "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd"),
    Wheel("nvidia-nccl-cu13", "2.28.9", 196493177,
          "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42"),
    Wheel("nvidia-nvjitlink", "13.0.88", 40713933,
          "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b"),
    Wheel("nvidia-nvshmem-cu13", "3.4.5", 60412546,
          "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80"),
    Wheel("nvidia-nvtx", "13.0.85", 148047,
          "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4"),
    *LINUX_X86_64_CPU,
]

# This too is a CUDA build, of which the part for the processor is taken.
LINUX_AARCH64_CPU = [
    Wheel("nvidia-cuda-cupti", "13.0.85", 10310827,
          "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151"),
    Wheel("nvidia-cuda-runtime", "13.0.96", 2261060,
          "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55"),
    Wheel("torch", "2.11.0", 419718178,
          "d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6"),
]

MACOS_AARCH64_CPU = [
    Wheel("torch", "2.11.0", 80529712,
          "7b6a60d48062809f58595509c524b88e6ddec3ebe25833d6462eeab81e5f2ce4"),
]

WHEELS = {
    "linux-x86_64": {"cpu": LINUX_X86_64_CPU, "cuda": LINUX_X86_64_CUDA},
    "linux-aarch64": {"cpu": LINUX_AARCH64_CPU},
    "macos-aarch64": {"cpu": MACOS_AARCH64_CPU},
}


def platform_tags(platform):
    """The tags that pip accepts for the wheels above. It takes each literally: a newer tag doesn't imply the older ones."""
    if platform == "macos-aarch64":
        return ["macosx_11_0_arm64"]
    machine = platform.split("-")[1]
    return [f"manylinux_2_{minor}_{machine}" for minor in (28, 27, 25, 18, 17, 12, 5)] + [f"manylinux2014_{machine}"]
