//! Every announced frame has exactly one fate; the ledger counts them.

/// What became of a frame. The numbers are those of the run file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[repr(u8)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// All that the configuration asks for was measured.
    Measured = 0,
    /// Measured, but a stage was skipped or its input was repaired.
    Degraded = 1,
    /// Received, but not measured: a queue was full.
    Dropped = 2,
    /// Received, but its pixels could not be decoded.
    Corrupt = 3,
    /// The source's numbering says that it existed; it never came.
    Missing = 4,
}

impl Fate {
    /// The fate of this number in the run file.
    pub fn from_code(code: u8) -> Option<Fate> {
        [Fate::Measured, Fate::Degraded, Fate::Dropped, Fate::Corrupt, Fate::Missing]
            .into_iter()
            .find(|fate| *fate as u8 == code)
    }
}

/// Why a frame has its fate. The numbers are those of the run file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[repr(u16)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    None = 0,
    /// The file or packet ended before the frame did.
    Truncated = 1,
    /// The decoder refused the frame's bytes.
    Undecodable = 2,
    /// Width, height or pixel type differ from the first frame's.
    WrongShape = 3,
    /// Reading failed in the operating system.
    Unreadable = 4,
    /// Some pixels were not finite numbers and were replaced by their neighbourhood's mean.
    NonFinitePixels = 5,
    /// Too many pixels were not finite numbers.
    MostlyNonFinite = 6,
    /// Drift correction did not lock; positions of gauges are invalid.
    NotLocked = 7,
    /// The source's numbering skipped it.
    SequenceGap = 8,
    /// The camera overran before liwatch saw the frame.
    CameraOverrun = 9,
    /// The intake queue was full.
    ProcessingOverrun = 10,
    /// The storage queue was full.
    StorageOverrun = 11,
    /// A gauge was skipped to keep the budget.
    GaugeShed = 12,
    /// A gauge's region left the field of view.
    RegionOutside = 13,
    /// Its row was not, or no longer, in the journal that the run file was built from.
    NotInJournal = 14,
    /// Passed over to keep the budget: only a share of the frames was measured, or it could not be
    /// finished in time.
    FrameShed = 15,
    /// Measured with an older state of the tracker or of the template than the fixed lag asks for,
    /// to keep the budget: a replay at leisure may differ in the last digits.
    StaleFeedback = 16,
}

impl Reason {
    /// All reasons with their names, as the run file's enumeration lists them.
    pub const ALL: [(Reason, &'static str); 17] = [
        (Reason::None, "none"),
        (Reason::Truncated, "truncated"),
        (Reason::Undecodable, "undecodable"),
        (Reason::WrongShape, "wrong_shape"),
        (Reason::Unreadable, "unreadable"),
        (Reason::NonFinitePixels, "non_finite_pixels"),
        (Reason::MostlyNonFinite, "mostly_non_finite"),
        (Reason::NotLocked, "not_locked"),
        (Reason::SequenceGap, "sequence_gap"),
        (Reason::CameraOverrun, "camera_overrun"),
        (Reason::ProcessingOverrun, "processing_overrun"),
        (Reason::StorageOverrun, "storage_overrun"),
        (Reason::GaugeShed, "gauge_shed"),
        (Reason::RegionOutside, "region_outside"),
        (Reason::NotInJournal, "not_in_journal"),
        (Reason::FrameShed, "frame_shed"),
        (Reason::StaleFeedback, "stale_feedback"),
    ];

    /// The reason of this number in the run file.
    pub fn from_code(code: u16) -> Option<Reason> {
        Reason::ALL.iter().map(|(reason, _)| *reason).find(|reason| *reason as u16 == code)
    }
}

/// How many frames met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ledger {
    /// Frames that the source announced, counted where they came in and not as a sum.
    pub received: u64,
    pub measured: u64,
    pub degraded: u64,
    pub dropped: u64,
    pub corrupt: u64,
    pub missing: u64,
}

impl Ledger {
    /// Enters one frame's fate.
    pub fn enter(&mut self, fate: Fate) {
        match fate {
            Fate::Measured => self.measured += 1,
            Fate::Degraded => self.degraded += 1,
            Fate::Dropped => self.dropped += 1,
            Fate::Corrupt => self.corrupt += 1,
            Fate::Missing => self.missing += 1,
        }
    }

    /// Frames that have a fate.
    pub fn fates(&self) -> u64 {
        self.measured + self.degraded + self.dropped + self.corrupt + self.missing
    }

    /// True when every received frame has exactly one fate.
    pub fn balances(&self) -> bool {
        self.received == self.fates()
    }
}
