//! All scenes in one harness: each module is named as the sentence that it proves.
