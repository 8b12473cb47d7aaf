/** A self-signed certificate for site.example, good for a hundred years and for tests only: nothing trusts it. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBnjCCAUSgAwIBAgIUD2cqmMOyY+HLbCvSRMFyPfsphvYwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMc2l0ZS5leGFtcGxlMCAXDTI2MTEyMTE0NDcyOVoYDzIxMjYx
MDI4MTQ0NzI5WjAXMRUwEwYDVQQDDAxzaXRlLmV4YW1wbGUwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARWzuoPoZE86ngU5XLHZYMB5MtOgsa0g2TcFdQm/gkvitYn
2yIg33OrmfBDrCGoYk/zbAR+wdhDL9GmHD8P4L83o2wwajAdBgNVHQ4EFgQU6tlH
IAhwxm4z46WzUmh7zQOR+SYwHwYDVR0jBBgwFoAU6tlHIAhwxm4z46WzUmh7zQOR
+SYwDwYDVR0TAQH/BAUwAwEB/zAXBgNVHREEEDAOggxzaXRlLmV4YW1wbGUwCgYI
KoZIzj0EAwIDSAAwRQIhAJ2CjsIbqCui1vpgQGTGuG3mbebqWcaQzzoGAqXKLTc1
AiAhItfQDwWLoKjEE64MOEeR5sxb7pUFyhEDsrxDVXeTmg==
-----END CERTIFICATE-----
`;

export const certificateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrZDAE56NsAG4ob6j
d5aBO7b+4Vq6lxtjeLooVlqTiKihRANCAARWzuoPoZE86ngU5XLHZYMB5MtOgsa0
g2TcFdQm/gkvitYn2yIg33OrmfBDrCGoYk/zbAR+wdhDL9GmHD8P4L83
-----END PRIVATE KEY-----
`;
