//! Keeps alsa-lib's own messages off stderr while devices are looked for and opened. Hides no error of ours: they come
//! back as values. Streams that run have threads of cpal's own, which alsa-lib can still make print.

/// Keeps this thread's alsa-lib messages, to drop them, for as long as it lives.
pub(crate) struct Hush {
    #[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
    _messages: Option<std::rc::Rc<std::cell::RefCell<alsa::Output>>>,
}

/// Redirects alsa-lib's messages on this thread. The redirection outlives the value: only for threads that end soon.
pub(crate) fn hush_this_thread() -> Hush {
    Hush {
        // Without the buffer alsa-lib prints as it always does: a nuisance, not a fault.
        #[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
        _messages: alsa::Output::local_error_handler().ok(),
    }
}
