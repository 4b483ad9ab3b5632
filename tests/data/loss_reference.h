/* SPDX-License-Identifier: Apache-2.0 */
/* Made by make_losses.py: losses of QUiNN and their gradients. */
#ifndef LOSS_REFERENCE_H
#define LOSS_REFERENCE_H

enum { LOSS_ROWS = 6, LOSS_INPUTS = 3, LOSS_WIDTH = 4, LOSS_LAYERS = 2, LOSS_ALL = 20 };
static const double loss_numbers[] = {0x1.6666666666666p-1,  -0x1.2000000000000p+3,
                                      0x1.3333333333333p-2,  0x1.999999999999ap-1,
                                      -0x1.ccccccccccccdp-1, 0x1.999999999999ap-1};
static const double loss_x[] = {0x1.00320d4f8f2a4p-2,  0x1.96bf36f2bc99ap-1,  0x1.1a4d597e502bep-1,
                                -0x1.19634950aa578p-1, -0x1.99426b378e458p-2, 0x1.7e84cb5d23e88p-1,
                                -0x1.fa9bbb6459796p-1, 0x1.48f01a3dffc80p-1,  0x1.3032f7e486986p-1,
                                -0x1.06ad471c30790p-4, -0x1.9363bc2977e14p-2, -0x1.c5c8caed44658p-2,
                                -0x1.f606ef023e864p-2, -0x1.c1ef55c04e280p-4, 0x1.2a131f7a67f00p-7,
                                0x1.b6401432a4310p-4,  0x1.fb646d2209ac8p-1,  0x1.2baf90ef3b0c2p-1};
static const double loss_params_1[] = {
    -0x1.24071ebde9e75p+0, -0x1.8c255fd73379cp-1, -0x1.1ae3f7ed20b03p+0, -0x1.20e1467dd164ep-3,
    -0x1.855c0c10ad5b1p-1, 0x1.4d54638e9b2d7p-3,  0x1.813b41a65ea47p-4,  -0x1.cb66c80471267p-4,
    -0x1.829304c5eb30cp+0, -0x1.4af910f898e2ep-2, -0x1.dcc8a025fdbafp-6, 0x1.1677d9989496dp-4,
    -0x1.d60ec5e58aeeep-1, -0x1.258817c6b1b89p-2, -0x1.2c99df1e84b63p-1, -0x1.f0f318fab00c6p-2,
    0x1.45e8766e2d743p-1,  -0x1.f02638d23f5e8p-2, -0x1.3fb38cdf67af7p-6, 0x1.0faf3fccca16dp-1,
    -0x1.6690693e27474p-2, -0x1.1284ca437d1b9p-4, 0x1.0f7a079951212p-4,  0x1.39800b9685975p-5,
    -0x1.78564f7449307p-1, 0x1.763e94f4146cdp-5,  0x1.a16e38dce707dp-1,  -0x1.db486889b0d3ep-1,
    0x1.08009ac7c2f86p-1,  0x1.25530f63528f2p-4,  -0x1.8a1e91a9b3dd2p-2, 0x1.3343944af366ap+0,
    0x1.d4551602b5956p-2,  -0x1.706beabf98e32p-1, 0x1.6e431d6b6b04cp-5,  0x1.62516db45667fp-2,
    -0x1.cff3718aba62ep-4, 0x1.a3947f58e4fc5p-2,  -0x1.46f2289975665p-5, 0x1.99f4f77d160abp-2,
    0x1.b9ea0516dd497p-1,  -0x1.9f207baae80d4p-2, 0x1.f33bc34e82e22p-4,  -0x1.1ca7fb1621b21p-2,
    0x1.38c65c66ad3c1p-4,  -0x1.6cb4c6d553ebap-1, -0x1.63ec433b9955ep-2, -0x1.e22bd5414d21fp-4,
    0x1.1419aabcff418p-1,  0x1.5fcfec6268f30p-1,  -0x1.969675fce15dfp-1, -0x1.e83a6fe16edcdp-2,
    0x1.8d751c48b22a2p-2,  -0x1.3209223fc27bap+0, -0x1.1c925215e95c6p-2, -0x1.de2f484e5cf8ep-5,
    0x1.8227ae25a2881p-1,  0x1.a791db900c053p-2,  -0x1.921471199992bp-3, -0x1.c4e7f3760408fp-3,
    -0x1.3370aaed9a8dap-3};
static const double loss_y_1[] = {0x1.860605d574256p+0,  -0x1.b64c2ba8e416bp-2,
                                  -0x1.36f7fde1da34bp-2, 0x1.690d1bc3ab5ffp-2,
                                  -0x1.eeacfd7f83d84p-4, -0x1.9409c0d908fc1p-3};
static const double loss_f_1[] = {-0x1.0d65a53648120p+0, -0x1.8c98d4f7a0bc8p+0,
                                  -0x1.02f1a3fe2ee27p+0, -0x1.896ebd8e71e62p-2,
                                  -0x1.ddd5a5101db38p-1, -0x1.ff99e0ec52148p-1};
static const double loss_periodic_1[] = {0x1.ea67318b0534fp+0};
static const double loss_periodic_1_grad[] = {
    0x1.c71f45816a88cp-3,  0x1.344a2632bb115p-2,   -0x1.17272d5405c92p-3, -0x1.35477e2bca574p-2,
    -0x1.537abdab07888p-2, 0x1.e995da1a8ff09p-2,   0x1.d001bd820a4b8p-5,  0x1.0ba5121d9e29bp-3,
    0x1.1eb7756c0f732p-8,  0x1.24aff47a5bf29p-3,   0x1.8c5d06ec99f80p-3,  -0x1.f1cf04c8cd560p-3,
    -0x1.369643b245f2cp-1, 0x1.781304fbf8a94p+0,   -0x1.8e28db64da15dp-2, -0x1.0af9f691a052dp-1,
    0x1.8c9a55e449716p+1,  -0x1.c3b0500a5d2f7p-1,  0x1.af497093d8769p+1,  -0x1.640056fe6752dp-1,
    -0x1.2042a1d515af5p+1, 0x1.3fbacdd52aa0ep-2,   0x1.0a836c7945e30p-7,  0x1.828a99382b7d9p-2,
    0x1.9c51809618d28p-4,  -0x1.1cdae937881a4p-1,  -0x1.642291d0c4c80p-3, -0x1.479469cdcd65dp-1,
    -0x1.9f0044a5c8702p-3, 0x1.86deb254e8c4fp-6,   0x1.83287fc26d5c8p-7,  0x1.c63ce5af1d36fp-6,
    0x1.076fbd5d30621p-5,  0x1.aa3302faa95f6p-2,   -0x1.30dde860789e8p-3, 0x1.28b318a3892edp-1,
    0x1.8e5210e6b655dp-5,  0x1.650a4d43ebc6ep-4,   -0x1.0b8dc7726bae4p-7, 0x1.a261aeec0d6c3p-4,
    0x1.2df7cc2e4df26p-9,  -0x1.20e899dbd6fe4p-3,  -0x1.9bce7a2d5e9e7p-5, -0x1.2d94d0d79cabcp-3,
    -0x1.8a8145e598ca7p-7, -0x1.07f9dd67e959cp-10, 0x1.b25c4b780abb8p-12, -0x1.5a90fcd787e14p-10,
    0x1.91846edbad3f5p-10, 0x1.836e715023b2ap-3,   -0x1.3fa22cc8b3d81p-4, 0x1.ff7f0ffe485b0p-3,
    -0x1.1c3cb5808f77fp-7, -0x1.c98ad37a944b0p-2,  0x1.8857fc2c5a329p-1,  -0x1.3b3ffb8dbc9efp-4,
    -0x1.2165c5c7e5133p-1, -0x1.b0784fffff546p-4,  0x1.35d52d3a54c37p-3,  -0x1.09918a369ea28p-9,
    -0x1.af7d9936dd042p-3};
static const double loss_log_1[] = {0x1.64ff985d1f5f5p-6};
static const double loss_log_1_grad[] = {
    0x1.7cdc514314a0ap-9,   0x1.b0660d5d6a8b1p-11,  -0x1.3fbde66908cc6p-10, -0x1.460ffdb9ac713p-8,
    0x1.23cd893130ffdp-8,   0x1.e906fb459d52cp-8,   0x1.d80787ecb60e9p-11,  -0x1.d48f01900481ap-12,
    -0x1.4590bd89ea2f4p-12, 0x1.07a855ad059e2p-9,   -0x1.38c658296b942p-10, -0x1.8ad85418574c9p-9,
    -0x1.bdd433624c6dap-8,  0x1.50fb064bf0911p-6,   -0x1.675e129f652fcp-8,  -0x1.a9ec29d18c980p-8,
    0x1.9f3426b63f200p-5,   0x1.6c0d4d5494952p-9,   0x1.8836101047638p-5,   -0x1.a6f16dc75b6e4p-7,
    -0x1.0bf17920bc38ep-5,  0x1.6291b249fb19ep-8,   0x1.3f6cccc5b623bp-9,   0x1.67272131fa9aep-8,
    0x1.780b775169a3bp-10,  -0x1.8be7dae8911e9p-7,  -0x1.aa61b7c4cf831p-8,  -0x1.945ea26a958d4p-7,
    -0x1.a00e995ef6d2ep-9,  0x1.7ec8fe5f27a70p-11,  0x1.0cf5994dbe255p-11,  0x1.6b2860f1e277ep-11,
    0x1.18080e2c3539ap-11,  0x1.7023186298edcp-8,   0x1.2d8d451762d46p-10,  0x1.95632d53a3546p-8,
    0x1.ffdabc11d3647p-12,  0x1.73fb1acd998bbp-10,  0x1.f8c743d351b74p-12,  0x1.6ba7a232470e6p-10,
    -0x1.59032d4e2adc0p-20, -0x1.a159f7d2d327cp-9,  -0x1.9e8a3319c4dc8p-10, -0x1.981c8c54819a9p-9,
    -0x1.0be92e1b91629p-13, -0x1.6459231b0a4c0p-17, 0x1.fb9647eea2d6cp-17,  -0x1.11114dd778bbcp-16,
    0x1.d42bd2cb2a338p-16,  0x1.31a2958cf4d2ep-9,   0x1.10cff9b74411dp-12,  0x1.4b682ab004a94p-9,
    -0x1.573bab672338ap-13, -0x1.9deeb863f1aabp-8,  0x1.b66f4f5e8b900p-7,   -0x1.574d065ec6a68p-10,
    -0x1.90286d7f2e4dfp-8,  -0x1.6f6cbaa4eeacap-10, 0x1.78c0da6a253f0p-9,   -0x1.f8c11707d177cp-16,
    -0x1.1bdb29f8f5ceap-9};
static const double loss_anchor_1[] = {
    -0x1.c85268289c710p-4, -0x1.2e07435ef92a7p-10, -0x1.6b61b9928b1cbp-5, 0x1.dda55c22b5f34p-4,
    0x1.0b814b00cacbbp-4,  -0x1.3c7485a8305a8p-9,  0x1.11c4d479eba01p-4,  -0x1.166bcf9e71ff7p-5,
    0x1.aef371e120138p-4,  -0x1.1b17ad32ab193p-11, 0x1.dde825a7423efp-5,  -0x1.085ffbd908896p-3,
    0x1.1c001366bf505p-5,  -0x1.59be841a7310cp-3,  -0x1.a0d5daac18694p-3, -0x1.f2dadbcdd1005p-6,
    -0x1.709c3fc572119p-4, 0x1.0cc8bacf5e657p-6,   0x1.cbb9e56e96e94p-3,  -0x1.54ac7f25957d8p-4,
    -0x1.ff22743aa4452p-5, 0x1.5088a8c53af30p-6,   0x1.93e06189f3360p-5,  -0x1.21061118d70b2p-6,
    -0x1.516570d7a10b9p-6, 0x1.1fba945e3b161p-4,   0x1.a9e888b99a9c0p-5,  -0x1.a764c45579af4p-4,
    -0x1.03761ab209a7ep-7, 0x1.ce8304322c2cdp-9,   -0x1.afeaba09565d4p-4, 0x1.a9b86afd8edb0p-6,
    -0x1.5f6b41d16226bp-4, 0x1.8e2895000df5ep-4,   0x1.3bcb7ec6e3ac2p-6,  0x1.24a3b5c8f1b2bp-7,
    -0x1.e42ba114e276cp-5, -0x1.84a921ba19727p-7,  -0x1.992370dafe2a2p-3, -0x1.cf6cac06f4604p-4,
    0x1.293d0563d96bfp-5,  -0x1.b3ee3739935e8p-3,  0x1.5ac55673a4757p-4,  -0x1.6599be2de9d7ap-3,
    0x1.35f5c880e8424p-4,  -0x1.5a50ca28217a7p-4,  0x1.3f1322b1cd64cp-4,  0x1.ad19d5b28a30cp-7,
    -0x1.3abe696652576p-3, 0x1.ffa6bd6b8231dp-4,   0x1.2742f9e2b3fa9p-3,  -0x1.af424feb31852p-8,
    -0x1.c0c8cfc54356fp-6, -0x1.05ed10c38cb3ep-6,  -0x1.8f6c21d7eccf8p-4, 0x1.c1fb2bc7f5958p-4,
    -0x1.bcbcb0a689f7ap-5, -0x1.4f7b42d683da8p-8,  -0x1.44ef282c77664p-4, -0x1.007085cd20313p-4,
    -0x1.05ad98afb1da2p-3};
static const double loss_post_1[] = {0x1.2214999ca36ffp+6};
static const double loss_post_1_grad[] = {
    0x1.7508707869bd2p+2,  0x1.89cd673a39022p+0,  -0x1.5107db43c1cc1p+1, -0x1.4f6279c0837b7p+3,
    0x1.4f35048a197f3p+3,  0x1.0256bb791519fp+4,  0x1.01c74bca1d3e2p+1,  -0x1.f4f69a41536f8p-1,
    -0x1.4331050fc1a26p+0, 0x1.ff858d85b841ap+1,  -0x1.878232a709857p+1, -0x1.93d4d2cc4aba5p+2,
    -0x1.fe9f4d28ed913p+3, 0x1.78b902796eb75p+5,  -0x1.aad9058b0650fp+3, -0x1.d8765c7b79219p+3,
    0x1.d1a831a8136afp+6,  0x1.2bb309b6b28d2p+3,  0x1.aed775b970f9fp+6,  -0x1.d0d35b86462c8p+4,
    -0x1.2ccf893fd19ecp+6, 0x1.8e41f749a7823p+3,  0x1.7c9da4313eea6p+2,  0x1.8e9988f59a9fap+3,
    0x1.8b691f1af582bp+1,  -0x1.c371f5a267927p+4, -0x1.e58aeca736434p+3, -0x1.ce44878155994p+4,
    -0x1.d105b9bddaaeep+2, 0x1.c1ce695e6cbe6p+0,  0x1.165e23f572770p+0,  0x1.1435a066cc712p+1,
    0x1.8c03dfb985cd6p+0,  0x1.8555921d8447cp+3,  0x1.88c97087f067ep+1,  0x1.b79ae48cc87c8p+3,
    0x1.3290f5bbe9612p+0,  0x1.bc1638d75f21dp+1,  0x1.4861353f48b6ap+0,  0x1.af50b5ae48b00p+1,
    0x1.9f34e76206d66p-2,  -0x1.e58b9f8ebd6a9p+2, -0x1.e28760407e2eep+1, -0x1.d3eb85da0a83cp+2,
    -0x1.4813f57dc217bp-2, -0x1.43865251813e4p-2, -0x1.4f669ecd4c511p-3, -0x1.8ede9be327480p-4,
    0x1.914530297e184p-2,  0x1.5d28ff0499e18p+2,  0x1.68060d2bdcd6cp-2,  0x1.53c44f4480894p+2,
    -0x1.0ecb5b678816ap-3, -0x1.e6f8b674b3b1fp+3, 0x1.f1ffc60591997p+4,  -0x1.9dc365ac09bc8p+1,
    -0x1.aba870fbb79fep+3, -0x1.88b30b1699cbdp+1, 0x1.aea4eba28eca0p+2,  -0x1.38825f59dd079p-3,
    -0x1.374a2fea989c0p+2};
static const double loss_g[] = {
    0x1.41cf4b67355f0p+0,  -0x1.3b9243fd1e608p-3, 0x1.ee8d4745e1154p-1,  0x1.b49ed1fcc755cp-7,
    -0x1.6388dbf36c030p-1, -0x1.4e8694af2e022p-2, -0x1.1ed69ab03a340p-1, 0x1.04cdc35a37afcp-7,
    -0x1.8045f34ebe425p-2, -0x1.331eada55226bp-2, -0x1.60ea453f75104p+0, -0x1.9d1ae8d016451p-1,
    0x1.a77050c5ccbddp+0,  -0x1.57abe14f947dbp-1, -0x1.0dd91728c279dp+0, 0x1.596c12f9f51f4p-2,
    0x1.6842fda9aa508p+0,  -0x1.743aefcabef9ep+0};
static const double loss_grad_1[] = {0x1.2a3bebc246767p+1};
static const double loss_grad_1_grad[] = {
    0x1.684cba19de6d1p-4,  0x1.8307feca39fd5p-3,  -0x1.eb52231639f03p-4,  -0x1.2a5517736f918p-4,
    0x1.73e21d17175c0p-6,  0x1.eab6b8943c4f6p-2,  -0x1.128556260b384p-5,  0x1.2f740554f4fa2p-3,
    0x1.ea60ed261e148p-6,  0x1.387f1e18c480ap-4,  -0x1.1d0f61d0d30d6p-5,  -0x1.d8840fb0ceeaap-3,
    -0x1.ca336d0efb454p-2, 0x1.834c937c753ccp+0,  -0x1.241090803224ep-1,  -0x1.930bd4bb40332p-2,
    0x1.cd96670a7df16p+1,  -0x1.3ccd7970e070cp-4, 0x1.c95e56e0e9f16p+1,   -0x1.98e6a33299aa3p-1,
    -0x1.2042a1d515af5p+1, 0x1.9b1e43dd93da1p-2,  0x1.fca31ec59a828p-4,   0x1.b052f3a88817bp-2,
    0x1.ef075bd1e419ap-4,  -0x1.de9c627f27c5cp-1, -0x1.bd36ed213825ep-2,  -0x1.bd328db595ee7p-1,
    -0x1.239e8fe37c456p-2, 0x1.060164180b3dcp-4,  0x1.b218ba6e0cb06p-6,   0x1.9ade1864bc2a7p-5,
    0x1.e32732b7d8ed6p-5,  0x1.a9b9b27a4b0ffp-2,  0x1.f848b92738b1cp-6,   0x1.c84ffee2438b4p-2,
    0x1.59470c3fc5a44p-5,  0x1.a0ac353799618p-4,  0x1.f3637bd66e2b4p-7,   0x1.c55703437135ap-4,
    0x1.e0fd289bda0f2p-9,  -0x1.0705e821da698p-2, -0x1.dafb57681eadcp-4,  -0x1.d29d32702e368p-3,
    -0x1.3935dd3c2741cp-6, 0x1.7a1ac911f0238p-11, 0x1.3b2c842ecfc24p-10,  -0x1.79f679a096150p-11,
    0x1.a2eeacbddf714p-9,  0x1.63b6c62c58e36p-3,  -0x1.3cff16d635540p-13, 0x1.7be40caf10a0ep-3,
    -0x1.cd0b3edfa18b4p-8, -0x1.c4ebad84f707cp-2, 0x1.0c0d35aada61ap+0,   -0x1.14d8ece05adb2p-3,
    -0x1.a966ed4f2cda6p-2, -0x1.793963a83b595p-4, 0x1.f0f2cd0d8c88dp-3,   -0x1.a49aeddeedd0ap-8,
    -0x1.3e7b7abefc4bcp-3};
static const double loss_params_2[] = {
    -0x1.003b4d39f48cep-3, -0x1.8455455468ad2p-2, -0x1.0e7e1a75e9c67p+0, 0x1.c389f9f2ee9b9p-2,
    -0x1.cced1b0b816c9p-7, 0x1.5f26a4dc360e2p-5,  -0x1.ce385cf957b3ap-2, 0x1.176b5d20585d7p-2,
    -0x1.4b58237d48354p-2, -0x1.5f32ecc31363dp-4, -0x1.54752cd56e2d7p-1, -0x1.7596366c67478p-1,
    0x1.9a467fb18927bp-1,  -0x1.3790ac63efeb6p-2, 0x1.666ab4d6e1d8ep-3,  -0x1.4c2c69d6265c1p-6,
    -0x1.0f0a240cc3183p-2, -0x1.38175a34952aap-2, 0x1.831f6c29b0c6bp-2,  -0x1.72ef566c22d22p-3,
    -0x1.74301ada64ab9p-4, 0x1.b4e4c26cc9307p-7,  0x1.696c610ebebe2p-1,  0x1.a21b1f117bf43p-2,
    0x1.d623a33332442p-3,  -0x1.5a421d9831259p-2, -0x1.a88a7143d3c9fp-1, 0x1.23b212840d2dep-1,
    0x1.28e47ec9bff9ap-1,  -0x1.59ce11f811d8ap-4, 0x1.4ceef56b00ca7p-2,  0x1.e01e5d604c4bep-2,
    0x1.feae02a2bc443p-2,  0x1.1b0c8b759a287p-1,  -0x1.17ee75c5c48ecp-2, 0x1.d16652c1d79d5p-1,
    -0x1.7ef411341bfa3p-1, 0x1.08b8a908aceaap-1,  0x1.2f78cc6e1e24cp-2,  0x1.0c6033e2190fep-1,
    0x1.209d9cf0bc55fp+0,  0x1.c8058ad10720bp-1,  -0x1.5fcc60656a439p-1, -0x1.036144b68fa10p+0,
    0x1.f5e58a0f6e590p-2,  -0x1.37cfd30d771a9p-1, -0x1.e7ccbb1f0343fp-8, 0x1.01f6db1d8c41ep-1,
    -0x1.f8f97bdd83210p-1, -0x1.4417ceb3e003fp+0, 0x1.3ea06b3ab8311p-3,  0x1.b454bfa4d9ae1p-6,
    -0x1.2e0af5dda3e4fp-3, 0x1.7acfe885d7eb0p-6,  -0x1.0859b3759ba94p-1, -0x1.d0f20b1a4b8d4p-1,
    -0x1.99922a88ce9d7p-4, -0x1.2a8247eb27c37p-1, -0x1.f8e0a15d9c6d5p-1, 0x1.36b0c15937851p-2,
    -0x1.2dc95a94f9dc9p-5, 0x1.f38ad1eeb2980p-3,  -0x1.2fe951e76d5a7p-1, -0x1.944fb2c77b1dap-2,
    -0x1.32e7f0cb0c874p-1, -0x1.10605a8abc040p-1};
static const double loss_y_2[] = {
    0x1.903206c0e7b60p-3,  -0x1.90e20c8583736p-1, 0x1.6c9ca426c3c20p-2,  0x1.5be8fa312c7f2p-2,
    0x1.033879a7e47f0p+1,  -0x1.648dd2aa39990p+0, 0x1.c69b23f5af2f0p-1,  -0x1.6e8aeddb24a9dp-4,
    -0x1.cbb9e80acb938p-7, -0x1.732a4682be121p+0, -0x1.d73d0bfde5504p-2, 0x1.7c845a09efdc7p-1};
static const double loss_f_2[] = {
    0x1.13560e6d7246cp-1, -0x1.37f9d62c92ac8p+0, 0x1.e44458a4675c2p-2, -0x1.d168d0239076ap-1,
    0x1.5f2b7d33f89b7p-1, -0x1.d49e01fdb37c2p-1, 0x1.2fb5243792de6p-4, 0x1.500109a09ca56p-3,
    0x1.f3b03ff371bb0p-3, -0x1.25e5a390c856dp-2, 0x1.305048c0fc09ep-1, -0x1.37514ab6ca4fdp+0};
static const double loss_periodic_2[] = {0x1.178bac5ec06ffp+0};
static const double loss_periodic_2_grad[] = {
    -0x1.8778a33b64014p-5,  -0x1.4ae01f97893cep-4, 0x1.767d11a518920p-10, -0x1.06b60f4a6ea93p-3,
    -0x1.71d995549a31ep-1,  -0x1.61ea12763a2a2p-3, -0x1.50caf98bdc634p-4, -0x1.8a06ccdb16f6ep-1,
    -0x1.1cfe558107486p-2,  -0x1.eaa964210d816p-4, -0x1.5d5bf1e001d46p-1, -0x1.c838acc69eb28p-5,
    -0x1.e3fafb8ed5480p-8,  -0x1.e6697d4896278p-5, -0x1.145ee96892ffbp-2, 0x1.1e42ea4ef9af6p-3,
    -0x1.6082d88eab199p-4,  0x1.54e2cb49618a8p-6,  -0x1.8ec26b2418785p-4, -0x1.230db6f09c026p-1,
    0x1.852ba19ba891ep-2,   0x1.10b36a67875f5p-2,  0x1.4514a0f5e7700p-2,  0x1.502b7054c004dp+0,
    -0x1.0444fa01c7a84p-4,  -0x1.2aa19f454de38p-2, 0x1.e04b857631945p-9,  -0x1.3e218f2bd3812p-7,
    0x1.da8d92ebb3f48p-9,   0x1.b14f3026f2eb5p-8,  0x1.df669f124b555p-4,  -0x1.8d14d6aa4f5a0p-8,
    -0x1.4d58994d041bbp-7,  0x1.c66905ff347e4p-3,  0x1.3454d90730ec2p-3,  0x1.89c5379dd9dcdp-6,
    -0x1.83d1000a9caa8p-6,  0x1.386adfb0f38a6p-2,  0x1.54bd645a8a63ap-3,  0x1.1fe7a1dee8558p-5,
    -0x1.444abaade6738p-5,  0x1.7fb9fa9673061p-2,  0x1.b1b508c1fffe4p-11, -0x1.26e437de323bap-8,
    0x1.7886b07de288cp-10,  0x1.36f7de6d7a58bp-9,  0x1.9ff6f56ec3200p-6,  0x1.5e1bee46d2124p-9,
    0x1.887a53915985ep-9,   0x1.fd1508f323ee2p-5,  0x1.4c1cf251dc036p-5,  0x1.9bcb940adc477p-7,
    -0x1.68f2cedaf4a30p-12, 0x1.aa63e699eff0dp-4,  0x1.651aa7305bb54p-5,  0x1.ab93a3282d10ep-7,
    0x1.bfb5075831400p-12,  0x1.de2b6f56e7f34p-4,  0x1.387ba4ba57549p-8,  -0x1.9b706e4117540p-11,
    0x1.02acde31806c0p-7,   -0x1.9be8f260925b4p-5, 0x1.6a97ce36a0f35p-9,  0x1.013174787ddadp-8,
    0x1.eebfba1e00546p-7,   0x1.8dd6acd6bd3aep-8};
static const double loss_log_2[] = {0x1.7b85d97d54047p-7};
static const double loss_log_2_grad[] = {
    -0x1.199f09c706932p-11, -0x1.36bbe5399902ep-13, -0x1.afd09e8f17bd0p-16, -0x1.5128f0d929970p-10,
    -0x1.719cd4c75b6fep-9,  -0x1.97903e880bb78p-9,  -0x1.2a49c49db12fap-10, -0x1.927f3123156b9p-9,
    -0x1.1942957615e9dp-8,  -0x1.06972eb0ac7b0p-10, -0x1.77e434e12dc77p-11, -0x1.9dcc65ca2441cp-9,
    -0x1.3bb31b6be53a6p-15, -0x1.471a17b7861c2p-9,  -0x1.0e91d0bef68d6p-8,  -0x1.e37ecc4347082p-11,
    -0x1.6956a9515a541p-11, 0x1.4fd68c395d45ap-11,  -0x1.f26f9d515ca1cp-11, -0x1.af191607726ebp-9,
    0x1.2294e6e27ab70p-8,   0x1.246446fd22b0ap-9,   0x1.f69495c6f0220p-9,   0x1.5702e2bf564f7p-7,
    -0x1.b3e8e1be9fd6cp-12, -0x1.21fff3f4b1b36p-8,  -0x1.27be70e9bb0b4p-15, -0x1.5661e768b9994p-13,
    0x1.1292734f39edap-15,  -0x1.8c5714c4dd2a4p-14, 0x1.976bab5fa364cp-11,  -0x1.9d81f6570644ap-15,
    0x1.71642a4bcd6dep-12,  0x1.5b78c09db8ae3p-10,  0x1.2bdd5ee0cb20cp-10,  0x1.1dfd1ea5e8d0ep-11,
    0x1.4ac5162a6a37cp-12,  0x1.21d82c5127b13p-9,   0x1.4ef1f1ab82064p-10,  0x1.122a66f36f3dcp-12,
    0x1.1491f7a8cf05ep-11,  0x1.3a54bc2c3aea5p-9,   -0x1.ce82f1e5bc62ap-16, -0x1.4082ed42ca64ep-14,
    0x1.0fbd734773732p-18,  -0x1.9cdba7c407219p-15, 0x1.857c251f18b40p-13,  -0x1.02be231bf7fb5p-19,
    0x1.a01799a1626acp-14,  0x1.8b97e74b87118p-12,  0x1.ac4b568bb0c2dp-12,  0x1.8ad8928a058bap-13,
    0x1.6a214a91ce2bcp-13,  0x1.89b6deaeb5fc5p-11,  0x1.9619ba2adf192p-12,  0x1.214f6d6f0fa88p-14,
    0x1.a532fdca48107p-13,  0x1.862d0b78eae7dp-11,  0x1.91154b8908140p-13,  -0x1.02c15afcf20ccp-11,
    -0x1.89ae2a22868d4p-10, -0x1.53d089031231ap-10, 0x1.771ba84bbf209p-14,  -0x1.4cbe18c66a574p-15,
    -0x1.5c4424046febcp-12, -0x1.158d735aaeec4p-13};
static const double loss_anchor_2[] = {
    -0x1.0e43df85a730ap-7,  0x1.099955817664dp-7,  -0x1.dc4f69e3b7ea4p-6, 0x1.d8e969a6cfb4fp-4,
    -0x1.1971faa48123bp-9,  -0x1.c2a52738bba8cp-3, -0x1.1b79111132127p-4, -0x1.9335a4bfe8880p-3,
    -0x1.4cf281d7ce683p-2,  -0x1.b2453f2137090p-5, 0x1.111cf152c2881p-3,  0x1.34ce159507b1bp-8,
    -0x1.e046542a30fa0p-4,  -0x1.814f87ced9767p-4, 0x1.cf1963cd5ba14p-4,  0x1.024165cfd78e3p-6,
    0x1.3a915d4630e9ep-8,   -0x1.5e5dff76ea373p-8, 0x1.f751e581f2d9dp-9,  0x1.49e4e735d1da6p-4,
    0x1.c4a9c2e325a4cp-5,   0x1.61691bce12576p-6,  -0x1.ab28ac4fcfcd5p-4, 0x1.a2b346dff4b84p-5,
    -0x1.184481a3c732bp-4,  0x1.c00a0847c81e7p-4,  -0x1.044fab58afef3p-3, -0x1.c2f4d79e0b738p-7,
    -0x1.81c93f2e34a9fp-11, -0x1.0f49939f0bf9fp-3, 0x1.60a8e82c009a0p-3,  0x1.2b175fd363b58p-3,
    -0x1.7bc48fb037700p-5,  0x1.3c18d44c5e773p-4,  0x1.363620b009520p-5,  -0x1.0ba0e4a87cd87p-2,
    0x1.9a408a45bb3b4p-6,   -0x1.920649ab30064p-8, 0x1.10afc694e64b1p-7,  -0x1.b916850410875p-4,
    -0x1.b94c56dea94fcp-6,  -0x1.240f24f94b8f8p-6, 0x1.e6a4b54bfd640p-4,  0x1.11f67017492c8p-5,
    -0x1.233e5a70616b9p-11, 0x1.39220fee12fafp-3,  -0x1.c6dbee3e6bc84p-5, -0x1.3f05744b3c484p-5,
    -0x1.741248fed6179p-3,  0x1.415a562b001b3p-3,  0x1.8afd93e630ddap-4,  0x1.778a7c4a86e58p-4,
    0x1.11fb15f2ef892p-4,   0x1.68ef5515f6e7bp-7,  0x1.610e9ca933c00p-6,  -0x1.9ce33996e08ecp-6,
    -0x1.4d94353f90260p-6,  0x1.63e257a2f1a90p-8,  0x1.359f68376f6d5p-3,  0x1.c738331027c72p-5,
    -0x1.7f1fd0d34fc14p-8,  -0x1.daa351da4b2d5p-5, -0x1.04186ada4eddep-4, 0x1.483be6867f36ap-3,
    0x1.9f1407830d5d4p-5,   0x1.bab307e088555p-8};
static const double loss_post_2[] = {0x1.3928408255260p+6};
static const double loss_post_2_grad[] = {
    -0x1.ce3711cc2fd7bp+1, -0x1.a6d3dbbdcdc19p-1, -0x1.e90a5d7a37adap-2, -0x1.c6766048fae6fp+2,
    -0x1.a79a0ebfd1795p+3, -0x1.cdb42d3258188p+3, -0x1.3b73e204d537ep+2, -0x1.b0144ccf8ec78p+3,
    -0x1.3d0a80ffe8e3ap+4, -0x1.3f80ec9241f9ap+2, -0x1.b0bf0ef92df9dp+1, -0x1.e007afcf59a57p+3,
    0x1.27791d333575ap-1,  -0x1.56afe4306661ep+3, -0x1.26a267857a4ccp+4, -0x1.a5592ce7d029bp+1,
    -0x1.8eec0e4313eeap+1, 0x1.542994caf9240p+2,  -0x1.2dbf83b6e6b27p+2, -0x1.1740a1aa454d9p+4,
    0x1.410a30e998c0ap+4,  0x1.4d0aac09d187cp+3,  0x1.1d2b589c0de52p+4,  0x1.830f868ea812dp+5,
    -0x1.062ca9001ce80p+2, -0x1.3a6e469390244p+4, -0x1.93e25573fe6dcp-2, -0x1.7e5c7795202b9p-1,
    0x1.2dc2f0d89f464p-1,  -0x1.24cd544162b40p-2, 0x1.01a3a4b18b958p+2,  -0x1.62f87cafe1483p-1,
    0x1.3117deaa340d4p+1,  0x1.a7708f33cf93ap+2,  0x1.3e22e0cb4406bp+2,  0x1.857d3fff25d28p+1,
    0x1.fef6908b294fap-1,  0x1.3ed29554e308cp+3,  0x1.88441f0c56f2ep+2,  0x1.3acca31447670p+0,
    0x1.915ec871f4862p+1,  0x1.6e67b026bb5aap+3,  -0x1.e82a8fab8f822p-2, -0x1.ee1dc67b1254ep-1,
    0x1.3da7165d531b6p-2,  -0x1.0ef09cd7f6bd9p-1, 0x1.f123b995c7377p-1,  0x1.88d7ee8c2c71ep-4,
    0x1.7b56f001bcedep-3,  0x1.44be00020008cp+0,  0x1.d3d2aff20f487p+0,  0x1.a93704f87a92fp-1,
    0x1.473b0f062895ep-1,  0x1.a224db1ab0a32p+1,  0x1.8b9e48b01744fp+0,  -0x1.79c953f27dbbdp-3,
    0x1.d4973219deadbp-1,  0x1.99368e9f107ccp+1,  0x1.b54fd4e834415p-2,  -0x1.7046fa60c0680p+0,
    -0x1.a1f6df6aa18fap+2, -0x1.47ce3845a3599p+2, 0x1.a7dea2bbb802ep-3,  -0x1.08eed4bc47886p-2,
    -0x1.ba89ef63f1059p+0, -0x1.3e6a729c43978p-1};

#endif
