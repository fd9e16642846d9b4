module example.com/transiremock

go 1.19
