//! What goes wrong on the media hosts.

use std::time::Duration;

/// What a media host does wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaFault {
    /// Answers with this status.
    Status(u16),
    /// Answers with this status, and says how many seconds to wait.
    Busy(u16, u32),
    /// Does not exist: the connection breaks before the answer.
    Down,
    /// Gives a file in which one byte is another.
    WrongBody,
    /// Gives a whole answer, with so many bytes of the file.
    Truncated(usize),
    /// Gives more than there is: so many further bytes.
    Longer(usize),
    /// Says how long the file is, gives so many bytes and breaks off.
    BreakOff(usize),
    /// Gives the file in pieces of 64 KiB with a pause before each.
    Slow(Duration),
    /// Gives nothing after the head of the answer, and keeps the connection.
    Stall,
    /// Sends the client to another host of these, or to an address.
    Redirect(String),
    /// Takes so many bytes of an upload, keeps them, and breaks off.
    BreakUpload(usize),
    /// Answers an upload with something that is no answer.
    Nonsense,
}

/// The faults to come, in order.
#[derive(Debug, Default)]
pub(crate) struct FaultList(Vec<Planned>);

#[derive(Debug)]
struct Planned {
    host: Option<usize>,
    fault: MediaFault,
    left: u32,
}

impl FaultList {
    pub(super) fn add(&mut self, host: Option<usize>, fault: MediaFault, left: u32) {
        self.0.push(Planned { host, fault, left });
    }

    /// The fault of the next request to this host.
    pub(crate) fn take(&mut self, host: Option<usize>, is_upload: bool) -> Option<MediaFault> {
        let fits = |planned: &Planned| {
            let is_for_upload = matches!(planned.fault, MediaFault::BreakUpload(_) | MediaFault::Nonsense);
            let is_for_download = matches!(
                planned.fault,
                MediaFault::WrongBody
                    | MediaFault::Truncated(_)
                    | MediaFault::Longer(_)
                    | MediaFault::BreakOff(_)
                    | MediaFault::Slow(_)
                    | MediaFault::Stall
            );
            let is_kind = if is_upload { !is_for_download } else { !is_for_upload };
            is_kind && (planned.host.is_none() || planned.host == host)
        };
        let index = self.0.iter().position(fits)?;
        let planned = self.0.get_mut(index)?;
        let fault = planned.fault.clone();
        planned.left = planned.left.saturating_sub(1);
        if planned.left == 0 {
            self.0.remove(index);
        }
        Some(fault)
    }
}
