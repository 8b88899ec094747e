//! Lists where the datasets are published, and the digests that their publishers give.
//!
//! *Reference*: <https://www.cs.toronto.edu/~kriz/cifar.html>, <https://github.com/zalandoresearch/fashion-mnist>; MNIST's home no longer
//! gives its files out, so that PyTorch's mirror of it comes first.

use crate::data::DatasetName;

/// Where a dataset is, and of what it consists.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// Its folder below the data folder.
    pub folder: &'a str,
    /// Addresses of folders that hold the files; the next is asked where one fails.
    pub mirrors: &'a [&'a str],
    /// The files.
    pub files: &'a [RemoteFile<'a>],
    /// What the one file holds, if it is an archive.
    pub archive: Option<Archive<'a>>,
}

/// A file to download.
#[derive(Debug, Clone, Copy)]
pub struct RemoteFile<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its MD5 digest, in hexadecimal: what its publisher gives, against damage, not against forgers.
    pub md5: &'a str,
}

/// A compressed tape archive, and what is taken out of it.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// The folder of all members.
    pub folder: &'a str,
    /// Name and bytes of each file in it.
    pub members: &'a [(&'a str, u64)],
}

/// 10,000 records.
const BATCH_BYTES: u64 = 30_730_000;

const MNIST: Published<'static> = Published {
    folder: "mnist",
    mirrors: &["https://ossci-datasets.s3.amazonaws.com/mnist", "http://yann.lecun.com/exdb/mnist"],
    files: &[
        RemoteFile { name: "train-images-idx3-ubyte.gz", md5: "f68b3c2dcbeaaa9fbdd348bbdeb94873" },
        RemoteFile { name: "train-labels-idx1-ubyte.gz", md5: "d53e105ee54ea40749a09fcbcd1e9432" },
        RemoteFile { name: "t10k-images-idx3-ubyte.gz", md5: "9fb629c4189551a2d022fa330f9573f3" },
        RemoteFile { name: "t10k-labels-idx1-ubyte.gz", md5: "ec29112dd5afa0611ce80d1b7f02629c" },
    ],
    archive: None,
};

const FASHION_MNIST: Published<'static> = Published {
    folder: "fashion-mnist",
    mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"],
    files: &[
        RemoteFile { name: "train-images-idx3-ubyte.gz", md5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d" },
        RemoteFile { name: "train-labels-idx1-ubyte.gz", md5: "25c81989df183df01b3e8a0aad5dffbe" },
        RemoteFile { name: "t10k-images-idx3-ubyte.gz", md5: "bef4ecab320f06d8554ea6380940ec79" },
        RemoteFile { name: "t10k-labels-idx1-ubyte.gz", md5: "bb300cfdad3c16e7a12a480ee83cd310" },
    ],
    archive: None,
};

const CIFAR10: Published<'static> = Published {
    folder: "cifar10",
    mirrors: &["https://www.cs.toronto.edu/~kriz"],
    files: &[RemoteFile { name: "cifar-10-binary.tar.gz", md5: "c32a1d4ab5d03f1284b67883e8d87530" }],
    archive: Some(Archive {
        folder: "cifar-10-batches-bin",
        members: &[
            ("data_batch_1.bin", BATCH_BYTES),
            ("data_batch_2.bin", BATCH_BYTES),
            ("data_batch_3.bin", BATCH_BYTES),
            ("data_batch_4.bin", BATCH_BYTES),
            ("data_batch_5.bin", BATCH_BYTES),
            ("test_batch.bin", BATCH_BYTES),
        ],
    }),
};

impl DatasetName {
    /// Where it is published; `None` for class folders of one's own.
    pub fn published(self) -> Option<Published<'static>> {
        match self {
            Self::Cifar10 => Some(CIFAR10),
            Self::Mnist => Some(MNIST),
            Self::FashionMnist => Some(FASHION_MNIST),
            Self::ImageFolder => None,
        }
    }
}
