// Found by the compiler only where libtorch's own torch/torch.h is not: see .cargo/config.toml. A missing file stops it at
// once; an #error would not, and thousands of other errors would follow.
#include <libtorch, which ./x setup brings (if you set LIBTORCH yourself, that folder has no torch/torch.h)>
