//! Says why bytes are no pickle that can be read as data.

/// Why a pickle was not read; `at` is the byte of its file's (or member's) start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The bytes end too early.
    #[error(
        "the pickle needs {needed} bytes at byte {at}, but {left} are left: the file is cut short or not a \
         checkpoint; copy or download it again"
    )]
    Truncated { at: usize, needed: u64, left: usize },
    /// A byte that is not an opcode of protocols 0 to 5, or one for values outside the file.
    #[error("byte {at}, 0x{opcode:02x}, is not a supported pickle opcode; the file is damaged or not a pickle")]
    UnknownOpcode { at: usize, opcode: u8 },
    /// A name that the table of known ones does not hold.
    #[error(
        "the pickle imports `{name}` (byte {at}), which is not plain data, and llc never runs code from a file; save \
         only numbers, in PyTorch by torch.save(model.state_dict(), path)"
    )]
    UnknownGlobal { at: usize, name: String },
    /// A known name, called with arguments that it does not take.
    #[error("the pickle's call of `{name}` (byte {at}) is not supported: {reason}")]
    Call { at: usize, name: &'static str, reason: &'static str },
    /// The stack or a value is not what the opcode needs.
    #[error("the pickle is damaged at byte {at}: expected {expected}, found {found}")]
    Malformed { at: usize, expected: &'static str, found: String },
    /// More values than any file of numbers has a use for.
    #[error("the pickle makes more than {limit} {what} by byte {at}: it is not a file of numbers")]
    TooLarge { at: usize, limit: usize, what: &'static str },
}
