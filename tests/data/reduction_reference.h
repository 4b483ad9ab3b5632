/* SPDX-License-Identifier: Apache-2.0 */
/* By make_reduction.py. */
#ifndef REDUCTION_REFERENCE_H
#define REDUCTION_REFERENCE_H

struct reduction_reference {
    const char *name;
    int n, p, k;
    double explained;
    const double *weights; /* NULL: 1 */
    const double *y, *mean, *modes, *deviations, *truncation, *coefficients;
};

static const double wide_y[] = {
    0x1.3a8ae31d712a1p+2, 0x1.4449ba5e353f8p+2, 0x1.4fb8b26394fadp+2, 0x1.573d640e9d51bp+2,
    0x1.56ad3e920c06ap+2, 0x1.5107314ca9260p+2, 0x1.463bf2f555821p+2, 0x1.38d199bb2788ep+2,
    0x1.2f450acc0bdcbp+2, 0x1.3eaa4766c6de7p+2, 0x1.35a8d21bc126ap+2, 0x1.2e3393ab430f5p+2,
    0x1.2a37b8d3f1844p+2, 0x1.20697f1f9ad00p+2, 0x1.18e0221426fe7p+2, 0x1.0da0407cc7d1cp+2,
    0x1.08ed0b30b5aa7p+2, 0x1.0363779e9d0eap+2, 0x1.37f151e75360dp+2, 0x1.252bcf91a32b1p+2,
    0x1.1d1e14bdfd263p+2, 0x1.163d5fdcdf698p+2, 0x1.174934267839dp+2, 0x1.17d22856605eep+2,
    0x1.228f3a9b06812p+2, 0x1.38d7dbf487fccp+2, 0x1.596d71f36262dp+2, 0x1.3d4a59c065b64p+2,
    0x1.2dc62e4d1a650p+2, 0x1.242e3c536d656p+2, 0x1.216555c52e72ep+2, 0x1.2349f94855da2p+2,
    0x1.2b9ac36544fe3p+2, 0x1.39c0ce91c8eacp+2, 0x1.518183f91e647p+2, 0x1.6f13b5bf6a0dcp+2,
    0x1.40872b020c49cp+2, 0x1.2cb3cc4ac6cdbp+2, 0x1.1b86fcdee34fcp+2, 0x1.0fe9ff0cbaf96p+2,
    0x1.09689ca18bd66p+2, 0x1.074ca0c282c6fp+2, 0x1.0e31098d477bcp+2, 0x1.1845cfede97d0p+2,
    0x1.23f1d3ed527e5p+2, 0x1.3eadea897635ep+2, 0x1.4e3a9b0681238p+2, 0x1.5c4f9c1f85d74p+2,
    0x1.6674e65bea0bap+2, 0x1.694167a95c854p+2, 0x1.6148fd9fd36f8p+2, 0x1.56b8bef8ceb35p+2,
    0x1.446a1e81cb46cp+2, 0x1.32f8b1572580cp+2};
static const double wide_mean[] = {
    0x1.3cf0fc9e93453p+2, 0x1.36a32846ff514p+2, 0x1.33d7dd5a71f4cp+2,
    0x1.3293c952359e9p+2, 0x1.30b8a7e73a366p+2, 0x1.2e51a4ea77495p+2,
    0x1.2e2e5630d5d27p+2, 0x1.3176a88c340ebp+2, 0x1.3858b2905239dp+2};
static const double wide_modes[] = {
    -0x1.e1234bd7ecb80p-9, 0x1.7f2c4ab392064p-3,  0x1.62bf406110c77p-2,  0x1.d253a6a008047p-2,
    0x1.fb39a5f194e3fp-2,  0x1.dae1491da21a0p-2,  0x1.7b6ef0b572749p-2,  0x1.974619e86aa3bp-3,
    0x1.201c5435c97f5p-6,  -0x1.f48973d1cd49dp-6, -0x1.fbd66b9f68335p-4, -0x1.4557cbd002e42p-3,
    -0x1.5ed95e0ae448bp-3, -0x1.6d20943c1da63p-4, 0x1.7620d2b516abcp-6,  0x1.be439eb4c76f5p-3,
    0x1.e8498b861838cp-2,  0x1.9b722f01da79cp-1,  0x1.336c2c5de0e06p-1,  0x1.015b96c426b8bp-1,
    -0x1.b21e53fde3cbcp-5, -0x1.9d1d84360360ep-3, -0x1.24ab21cdab592p-2, -0x1.6a1d01a04b09ap-5,
    0x1.6438381e69899p-2,  0x1.1f9639c7c9992p-2,  -0x1.f4c8f6bd26f92p-3};
static const double wide_deviations[] = {0x1.31df40f545bedp+0, 0x1.7f255a875caabp-1,
                                         0x1.2419cd5bae432p-4};
static const double wide_truncation[] = {
    0x1.1251712830b3cp-13, 0x1.21870e3d6b8aep-16, 0x1.1ce81dd0d13a1p-13,
    0x1.1a77f5ec581ddp-13, 0x1.3871bd5e100f5p-12, 0x1.0c0f1522a9a04p-11,
    0x1.6d0f31d4f7abfp-12, 0x1.33d60a48856dep-17, 0x1.c74f5370a62f2p-16};
static const double wide_coefficients[] = {
    0x1.281e4fdcd2ce8p+0,  -0x1.aee23610af070p-3, -0x1.9734074141613p-5, -0x1.683c14addd6c5p-1,
    -0x1.067aeb8acd29ap+0, -0x1.9f528d36698a0p-6, -0x1.8a88baed00b2ap-1, 0x1.40dbd8a3173fep-1,
    -0x1.a9f4777fc99dfp-4, -0x1.66652400ebdb0p-3, 0x1.15c03d70846b7p+0,  0x1.d355a3048fa0ap-5,
    -0x1.437c5088e2beap+0, -0x1.5d74a8537701bp-2, 0x1.4bf69e57fa1a6p-4,  0x1.c18d0cf99c7b4p+0,
    -0x1.13ce6b0279fefp-3, 0x1.4f835d278593dp-5};
static const double wide_weighted_y[] = {
    0x1.3d70c564f97eep+2, 0x1.2e1f79420b3d5p+2, 0x1.285757d5a9eb2p+2, 0x1.25d18d25edd05p+2,
    0x1.27ecbb7f9d6f1p+2, 0x1.300a2ca9ac365p+2, 0x1.3af42bb6672fcp+2, 0x1.4f84be40420f7p+2,
    0x1.6b0a2877ee4e2p+2, 0x1.4ae7685985ad5p+2, 0x1.425aee631f8a1p+2, 0x1.3843137b07076p+2,
    0x1.29f8c64fdb09ap+2, 0x1.248d759ee88dfp+2, 0x1.2576534373f31p+2, 0x1.237681669ced1p+2,
    0x1.230e90bc7b45fp+2, 0x1.1a064a9cdc444p+2, 0x1.39d00b45ae600p+2, 0x1.36f972474538fp+2,
    0x1.38210385c67e0p+2, 0x1.3681882adc4cap+2, 0x1.369f6a93f290bp+2, 0x1.31cae642bf983p+2,
    0x1.2b34938583622p+2, 0x1.28f85510d38cep+2, 0x1.2d9563a9f383fp+2, 0x1.3e8bc59b8023ap+2,
    0x1.2741919ac7970p+2, 0x1.193df2a9d627cp+2, 0x1.1187f455a7d24p+2, 0x1.122ae4b018612p+2,
    0x1.195681ecd4aa1p+2, 0x1.2b5ab7dc7abfcp+2, 0x1.44debd9018e75p+2, 0x1.6752bd3c36113p+2,
    0x1.4493d96638434p+2, 0x1.3a81ecd4aa10ep+2, 0x1.303b107746888p+2, 0x1.2a9a176ddacefp+2,
    0x1.278cbd1244a62p+2, 0x1.258811b1d92b8p+2, 0x1.287bf61aa3f03p+2, 0x1.2e67dbb16c1e3p+2,
    0x1.30c8d1958969ap+2, 0x1.511c9f72f76e6p+2, 0x1.4b133c1ce6c09p+2, 0x1.3a675ddd2ae8ep+2,
    0x1.299e518f3ecccp+2, 0x1.2416659d12caep+2, 0x1.2843419e30015p+2, 0x1.30c98a222d517p+2,
    0x1.2f31ca7d6733fp+2, 0x1.2690abb44e50cp+2};
static const double wide_weighted_weights[] = {
    0x1.999999999999ap-3, 0x1.6666666666666p-2, 0x1.0000000000000p-1,
    0x1.4ccccccccccccp-1, 0x1.999999999999ap-1, 0x1.e666666666666p-1,
    0x1.1999999999999p+0, 0x1.4000000000000p+0, 0x1.6666666666666p+0};
static const double wide_weighted_mean[] = {
    0x1.43bb693ecf904p+2, 0x1.38b718becc117p+2, 0x1.2f6f4d4e1fd6fp+2,
    0x1.27575ed33bc37p+2, 0x1.257bf082fc100p+2, 0x1.27bcdf3cca441p+2,
    0x1.2d0a941f4deabp+2, 0x1.3500abf76a2f5p+2, 0x1.3d8dad8b77505p+2};
static const double wide_weighted_modes[] = {
    -0x1.a842f778420b4p-4, -0x1.e0158998dbf31p-3, -0x1.ecbf2e435f453p-3, -0x1.6e8bbc1b39cc7p-3,
    -0x1.f76d1e160a6b0p-4, -0x1.55604b51093eep-5, 0x1.bd90d237f3362p-4,  0x1.6b94b0bda243bp-2,
    0x1.755fd1a2d3e30p-1,  -0x1.b20e9fa9c0045p-3, 0x1.d2aabf5585c96p-6,  0x1.4dafb3ed14a58p-2,
    0x1.17997514842e3p-1,  0x1.404e6096a9e86p-1,  0x1.1ad6722d6c535p-1,  0x1.40c41bd45c83dp-2,
    0x1.145d733935946p-3,  0x1.5bc6efcc0bde2p-4,  0x1.9deaef66a9138p-1,  0x1.a8dc5eb49d102p-1,
    0x1.4584f3571d7d1p-2,  -0x1.6b4f5cf145b81p-3, -0x1.64bb68063dcd2p-2, 0x1.10d35815d42c2p-7,
    0x1.dc4a496d01346p-2,  0x1.8d35683913061p-2,  -0x1.3f90a4b8be90cp-3};
static const double wide_weighted_deviations[] = {0x1.7c31729995e44p-1, 0x1.ee92511319403p-3,
                                                  0x1.05ef144f654afp-3};
static const double wide_weighted_truncation[] = {
    0x1.24d68eb7da3efp-12, 0x1.150a562146541p-13, 0x1.7475cd7bc9efdp-12,
    0x1.208a3ed7fab00p-12, 0x1.39840f21dd273p-13, 0x1.cc13fe908fd3ap-12,
    0x1.8262e953e8742p-12, 0x1.94364ec8a8ffdp-12, 0x1.41f755afe142ep-15};
static const double wide_weighted_coefficients[] = {
    0x1.eaaac318894f5p-1,  0x1.2b771f954bc31p-2,  0x1.18380dbe7b779p-4,  -0x1.7c13c109dc513p-1,
    -0x1.4182b17b065f6p-3, -0x1.147ed50f3f8cfp-7, -0x1.a68ce5a22fee7p-2, 0x1.07f04409054ebp-2,
    -0x1.4ea84f44e1430p-3, 0x1.d59ca742be379p-1,  -0x1.579df91943720p-2, -0x1.f91fa342df552p-5,
    -0x1.143d7a892e4e5p-2, -0x1.8724189f0c4cfp-5, -0x1.768e17040890ep-5, -0x1.cd9cf277782f5p-2,
    -0x1.4471d6751cf09p-7, 0x1.afbfa448517ccp-3};
static const double tall_y[] = {
    0x1.3d2374794ea07p+2, 0x1.564a7f8012dfdp+2, 0x1.50f2dc2b0ea18p+2, 0x1.35f9d2bf55150p+2,
    0x1.438283d35eb74p+2, 0x1.5d753a3ec02f3p+2, 0x1.768cef672b884p+2, 0x1.84ca3a4b5568fp+2,
    0x1.3332441fea811p+2, 0x1.1c86db50f40e6p+2, 0x1.0f07182235b4fp+2, 0x1.2b203a322af57p+2,
    0x1.423eab367a0f9p+2, 0x1.790ccbc05d52cp+2, 0x1.83221858bc59cp+2, 0x1.625c422036007p+2,
    0x1.531deefe4ffc9p+2, 0x1.fa81cb46bacf7p+1, 0x1.e6c7325918a01p+1, 0x1.17c4651f3e89bp+2,
    0x1.4ee7a743a6480p+2, 0x1.68df0d413122bp+2, 0x1.847f7be121ee6p+2, 0x1.82bd6e8af8162p+2,
    0x1.2fff92f2b66b6p+2, 0x1.1efcbd556084ap+2, 0x1.1646fdeb52c9dp+2, 0x1.3e81d7dbf4880p+2,
    0x1.4471b8aa00193p+2, 0x1.3af6d7625204bp+2, 0x1.42bf2f5558213p+2, 0x1.4e54fbdad7519p+2,
    0x1.4b0b8066c2accp+2, 0x1.22cd35a858794p+2, 0x1.2e46e8f29d40fp+2, 0x1.5d0c77dd872f3p+2,
    0x1.4903f2d3c792dp+2, 0x1.1c59a73b42cc3p+2, 0x1.21d14e3bcd35bp+2, 0x1.528e6d15ad107p+2,
    0x1.35e221c8a7a42p+2, 0x1.51aa369fcf3dcp+2, 0x1.39820e6299525p+2, 0x1.f9a2834d26fa4p+1,
    0x1.3aee73e681a9cp+2, 0x1.6a080b673c4f4p+2, 0x1.73c60cbf2b23ap+2, 0x1.5e2c1f42bb667p+2};
static const double tall_weights[] = {0x1.999999999999ap-3, 0x1.6666666666666p-2,
                                      0x1.0000000000000p-1, 0x1.4ccccccccccccp-1};
static const double tall_mean[] = {0x1.4173d188f42ffp+2, 0x1.405aab4741073p+2, 0x1.435436b8f9b13p+2,
                                   0x1.4a2ec9e236c16p+2};
static const double tall_modes[] = {
    0x1.1e8f6df37a90cp-5, 0x1.727800c54ee23p-1,  0x1.fb651b6c20be2p-1,  0x1.6a4c187a2dccap-1,
    0x1.cc2b0f4fce36ep-3, -0x1.b0299eaca9087p-1, -0x1.ed385a17b04a1p-2, 0x1.f5e013b1e1b2ap-1};
static const double tall_deviations[] = {0x1.80a1652fecb6fp-1, 0x1.6836148e2c24bp-2};
static const double tall_truncation[] = {0x1.d10592586ad35p-6, 0x1.e8ea0d437d550p-11,
                                         0x1.80e91f10f985fp-11, 0x1.dfefe2bb3e834p-13};
static const double tall_coefficients[] = {
    0x1.7d6aa106c68c5p-5,  -0x1.6d44d70cfc1bdp-2, 0x1.ddc5d2d25bd5dp-1,  0x1.0800bceac5326p-2,
    -0x1.8afbe0d78c16ep-1, 0x1.6032e6bd03101p-5,  0x1.c8cb8779778b7p-1,  -0x1.0accb094c8f84p-2,
    -0x1.3eacb5c2ac0b2p+0, 0x1.efcae63fc2e79p-4,  0x1.12a3b5b0df9cap+0,  0x1.1f36341d00603p-3,
    -0x1.222010cec8380p-1, 0x1.8f7b0411178efp-3,  0x1.1a81d036bad8fp-8,  0x1.20addc1d76211p-4,
    -0x1.25793fa46afc2p-3, 0x1.a407d4b4b5a0ep-2,  -0x1.5d193e462ae5bp-2, 0x1.861cd1e2e1d76p-2,
    -0x1.212db20e31af6p-1, -0x1.a47e83990439cp-1, 0x1.5da98ae7a1cdap-1,  -0x1.7127fc691381fp-3};
static const double all_modes_y[] = {
    0x1.3cd6238da3c21p+2, 0x1.30c38b04ab607p+2, 0x1.2b7f7be121ee6p+2, 0x1.2bb7ae5796bfdp+2,
    0x1.30694ccab3edep+2, 0x1.3ade939eadd59p+2, 0x1.50a7c17a89332p+2, 0x1.701fb82c2bd7fp+2,
    0x1.38e4ef0281ba8p+2, 0x1.4863a9f383f0cp+2, 0x1.5d3f42352eb5fp+2, 0x1.68e28240b7803p+2,
    0x1.6999285a921cdp+2, 0x1.615c6c11a1123p+2, 0x1.555464dc22ab2p+2, 0x1.51e1650a45d42p+2,
    0x1.33528283d35ebp+2, 0x1.3e50870110a13p+2, 0x1.4d5ad538ac190p+2, 0x1.54a0d349be8ffp+2,
    0x1.4855ef1fddebep+2, 0x1.2f78dd616f86ap+2, 0x1.13416bdb1a6d7p+2, 0x1.04ecd4aa10e02p+2,
    0x1.523edd8b60f1bp+2, 0x1.545ac03ff6901p+2, 0x1.4b13c254a3c64p+2, 0x1.44cb74ddf86e4p+2,
    0x1.4a74538ef34d7p+2, 0x1.543126e978d50p+2, 0x1.547a0f9096bbap+2, 0x1.484afd5454153p+2,
    0x1.4a0b88ca3e7d1p+2, 0x1.5b72c94b380cbp+2, 0x1.6341d4b6a619ep+2, 0x1.66ceb356da017p+2,
    0x1.6511276fb0920p+2, 0x1.5fd0e56041893p+2, 0x1.4de0ce0b912dcp+2, 0x1.2e28bb0a2ca9bp+2};
static const double all_modes_weights[] = {
    0x1.999999999999ap-3, 0x1.6666666666666p-2, 0x1.0000000000000p-1, 0x1.4ccccccccccccp-1,
    0x1.999999999999ap-1, 0x1.e666666666666p-1, 0x1.1999999999999p+0, 0x1.4000000000000p+0};
static const double all_modes_mean[] = {
    0x1.411198aeb80edp+2, 0x1.47daa780e2e97p+2, 0x1.4dafd5454152bp+2, 0x1.50f76f37c63ffp+2,
    0x1.505f930d8e5e0p+2, 0x1.4cbdfb78b1c29p+2, 0x1.4584e3292fa44p+2, 0x1.3f79eed9670f0p+2};
static const double all_modes_modes[] = {
    0x1.3fd5b5f64f060p-4,  -0x1.ce6bf5b5b4fd2p-5, -0x1.722d3bcdd5c0fp-3, -0x1.cfe32f6f419bbp-3,
    -0x1.9dc81b677a7aep-4, 0x1.1f03a33d46bd7p-3,  0x1.d6395f33dc4aap-2,  0x1.7c2e05f244fb5p-1,
    0x1.dabef86cff0fap-4,  0x1.6b600516c2987p-2,  0x1.f50539f9fba19p-2,  0x1.14aff14b13c4bp-1,
    0x1.205550624c7f7p-1,  0x1.1035aef7930ffp-1,  0x1.4cc92c06d15c3p-2,  -0x1.0abf70096dbcfp-4,
    0x1.db07cc29d39f1p-1,  0x1.88b24caf32fa9p-1,  -0x1.4262513a676b6p-5, -0x1.14caffe29c7d1p-1,
    -0x1.76b0db8617991p-2, 0x1.6a016fefd3dbfp-3,  0x1.75365606f6486p-2,  -0x1.60b2819000535p-2,
    -0x1.b84584d8e0493p-2, -0x1.1a4689e037b1fp-2, -0x1.24714104666e5p-3, 0x1.2c4ae613a5063p-1,
    -0x1.4dc04530a4da0p-2, -0x1.aca567c165ae3p-2, 0x1.327c36199e963p-1,  -0x1.b57726b10fc50p-3};
static const double all_modes_deviations[] = {0x1.af816210c2998p-1, 0x1.3cd803ea5ff56p-1,
                                              0x1.7f112376dd8dbp-3, 0x1.e26b9cb97d578p-7};
static const double all_modes_truncation[] = {0x0.0p+0, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
                                              0x0.0p+0, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0};
static const double all_modes_coefficients[] = {
    0x1.df91d9c23e3d1p-1,  -0x1.7e8efed00dee7p-1, -0x1.ac69bfe6dedaep-5, 0x1.3be8e44972e5fp-7,
    0x1.4b58692be2a4ap-2,  0x1.3023f56de7de0p-1,  -0x1.f2e859422164ap-3, -0x1.3e2594834df06p-7,
    -0x1.4e11feca3f4f8p+0, -0x1.fe7c19a936a55p-2, -0x1.f2c7e96960ab9p-5, -0x1.a4d0a5f0b0050p-9,
    0x1.3421b7208bb7fp-2,  0x1.6196271100183p-5,  0x1.00e506ce351e5p-2,  -0x1.0fb0d8fcedff7p-6,
    -0x1.0655d8a7ed99bp-2, 0x1.378fb3c5b15fcp-1,  0x1.b1d56bf38e099p-4,  0x1.456945d7f1779p-6};
static const double square_y[] = {
    0x1.3c88d2a1f8e3bp+2, 0x1.551a1db877ab3p+2, 0x1.5f7342edbb59ep+2, 0x1.5194e1a3f4667p+2,
    0x1.3e3ccd0fe8ab5p+2, 0x1.2e7b7414a4d2bp+2, 0x1.2d627bf61aa3fp+2, 0x1.2a5b39e279dd4p+2,
    0x1.0f3d96638433dp+2, 0x1.14158b827fa1ap+2, 0x1.2d976ff3ade22p+2, 0x1.52c36113404eap+2,
    0x1.67c1bda5119cep+2, 0x1.46be37de939ebp+2, 0x1.3560c7c0f4517p+2, 0x1.429f6ec5b078ep+2,
    0x1.3e54eb13dfb0dp+2, 0x1.329d99029ae4fp+2, 0x1.298c111ada76ep+2, 0x1.154894c447c31p+2,
    0x1.53c0b5675579bp+2, 0x1.3a26e978d4fdfp+2, 0x1.30cf13cee9dd8p+2, 0x1.54688bda9435bp+2,
    0x1.6cd5c31593e60p+2};
static const double square_mean[] = {0x1.3c98c55e43824p+2, 0x1.42bf29761b0f5p+2,
                                     0x1.443294a7c2515p+2, 0x1.3ab442924bc79p+2,
                                     0x1.3529e4d5d80e5p+2};
static const double square_modes[] = {0x1.4c23f37ff7041p-3, 0x1.ba708a0a3734cp-3,
                                      0x1.426746d85f8eep-2, 0x1.363a6f3192f05p-1,
                                      0x1.5b8b58aacfedfp-1};
static const double square_deviations[] = {0x1.82b901eab35d7p-1};
static const double square_truncation[] = {0x1.f4b2cb9c58437p-5, 0x1.d7443ccb7e6edp-5,
                                           0x1.9591809c833ddp-3, 0x1.af0bca917f57fp-8,
                                           0x1.4879abc1429cdp-4};
static const double square_coefficients[] = {0x1.04744875c023ap-1, -0x1.fea2ddd3422f3p-1,
                                             0x1.3a99306505b5cp-2, -0x1.2c623e5f45c88p-1,
                                             0x1.89443b8a44f65p-1};

static const struct reduction_reference reduction_references[] = {
    {"wide", 6, 9, 3, 0x1.ffd5979490d79p-1, NULL, wide_y, wide_mean, wide_modes, wide_deviations,
     wide_truncation, wide_coefficients},
    {"wide_weighted", 6, 9, 3, 0x1.ff5e1589914a8p-1, wide_weighted_weights, wide_weighted_y,
     wide_weighted_mean, wide_weighted_modes, wide_weighted_deviations, wide_weighted_truncation,
     wide_weighted_coefficients},
    {"tall", 12, 4, 2, 0x1.fc0fd92dc7d86p-1, tall_weights, tall_y, tall_mean, tall_modes,
     tall_deviations, tall_truncation, tall_coefficients},
    {"all_modes", 5, 8, 4, 0x1.0000000000000p+0, all_modes_weights, all_modes_y, all_modes_mean,
     all_modes_modes, all_modes_deviations, all_modes_truncation, all_modes_coefficients},
    {"square", 5, 5, 1, 0x1.4e8e54a56078dp-1, NULL, square_y, square_mean, square_modes,
     square_deviations, square_truncation, square_coefficients},
};

#endif
