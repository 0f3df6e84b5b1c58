module dualtrace.test/oracle

go 1.16
