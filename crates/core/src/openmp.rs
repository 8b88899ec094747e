//! Gives back the threads that an OpenMP library keeps for the calling thread.
//!
//! Passes of libtorch run on OpenMP, which keeps a team of threads for *each* thread that has ever called it. GNU's OpenMP lets a team wait by spinning
//! only while all teams together are no more threads than there are processors: a second team, that of a chain's thread beside the idle one of the
//! thread that looked at w*, puts its threads to sleep after every operation. On two cores that made a pass of a perceptron of 987,210
//! parameters 15 ms instead of 10.

/// Ends the team of the calling thread, where an OpenMP library is loaded; its next parallel operation makes a new one.
pub(crate) fn end_team() {
    #[cfg(unix)]
    unix::end_team();
}

#[cfg(unix)]
mod unix {
    use std::ffi::c_int;
    use std::mem::transmute;

    /// `omp_pause_hard` of OpenMP 5.0, section 3.2.44.
    const HARD: c_int = 2;

    type PauseAll = unsafe extern "C" fn(c_int) -> c_int;

    pub(super) fn end_team() {
        if let Some(pause_all) = found() {
            // SAFETY: the function is what the standard says of its name. Inside a parallel region it changes nothing, which it reports.
            let _ = unsafe { pause_all(HARD) };
        }
    }

    fn found() -> Option<PauseAll> {
        // SAFETY: the name ends with a zero; the function has the signature that OpenMP 5.0 gives it.
        unsafe {
            let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"omp_pause_resource_all".as_ptr());
            (!symbol.is_null()).then(|| transmute::<*mut libc::c_void, PauseAll>(symbol))
        }
    }
}
