module dualtrace.test/workloads

go 1.22

require dualtrace.local/tracestream v0.0.0

replace dualtrace.local/tracestream => ../../deploy/go
