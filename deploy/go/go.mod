module dualtrace.local/tracestream

go 1.22
