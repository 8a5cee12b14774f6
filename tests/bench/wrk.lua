-- One line of figures at the end of a wrk run, in the order that load.py reads them.
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("figures %d %d %d %d %d %d %d %d %d\n",
        summary.duration, summary.requests, summary.bytes, latency:percentile(99),
        errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
