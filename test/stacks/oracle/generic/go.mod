module dualtrace.test/generic

go 1.18
