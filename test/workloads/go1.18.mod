module dualtrace.test/workloads

go 1.18
