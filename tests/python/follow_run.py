"""Follows a growing run file as h5py's documentation says (SWMR), and prints how old each new
newest row was when it was seen: one line `rows age_s` each time. Ends after the given seconds."""

import sys
import time

import h5py

path, seconds = sys.argv[1], float(sys.argv[2])
with h5py.File(path, "r", libver="latest", swmr=True) as file:
    fate, unix_time = file["entry/frames/fate"], file["entry/frames/unix_time"]
    drift = file["entry/drift/x"]
    seen, end = 0, time.time() + seconds
    print("open", flush=True)
    while time.time() < end:
        fate.refresh()
        if len(fate) > seen:
            unix_time.refresh()
            drift.refresh()
            now = time.time()
            assert len(drift) >= len(fate), "the ledger shows a row that is not there"
            # The oldest row that had not been seen waited longest.
            print(len(fate), now - float(unix_time[seen]), flush=True)
            seen = len(fate)
        time.sleep(0.02)
