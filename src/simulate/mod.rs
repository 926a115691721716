//! Recordings with known truth. Shares no code with the estimators.
