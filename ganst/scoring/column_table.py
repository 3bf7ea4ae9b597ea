"""The score columns, one a line: name; bad when; floor; unit; below the expected; above it.

Grouped by family. `floor` is the smallest difference that matters, in the column's unit.
"""

TABLE = """
[content]
c_gms ; both ; 0.01 ; 1 - GMS at 1/2, 0..1 ; edges unchanged ; edges lost
c_gmsd ; both ; 0.01 ; std of GMS, 0..0.5 ; edges uniform ; edges lost locally
c_hog ; high ; 0.02 ; 1 - cosine, 0..1 ; lines kept ; lines turned
c_selfsim ; high ; 0.05 ; 1 - r, 0..2 ; layout kept ; layout lost
c_lumcorr ; high ; 0.1 ; -atanh r of thumbnails ; light and dark kept ; light and dark misplaced
c_gradcorr ; high ; 0.1 ; -atanh r of gradients at 1/4 ; outlines kept ; outlines misplaced or inverted
l_foreign ; high ; 0.1 ; σ, worst 16 or 32 px ; shapes kept everywhere ; other shapes in one place
m_coarse_kept ; both ; 0.05 ; mean σ, 15 px ; coarse shapes changed ; coarse shapes as in the photo
[passthrough]
p_affine ; both ; 0.1 ; log(1 - R2) ; a recoloured photo ; colours unrelated to the photo
p_fine ; both ; 0.05 ; atanh r below 2 px ; photo detail gone ; photo detail left in
p_middle ; both ; 0.05 ; atanh r at 2-6 px ; photo shapes gone ; photo shapes left as they were
p_delta ; both ; 0.1 ; log mean dE76 ; hardly changed ; changed too much
l_photo ; high ; 0.1 ; σ, worst 16 or 32 px ; evenly painted ; the photo shows in one place
m_fine_kept ; both ; 0.05 ; mean σ, 2 px ; less photo grain than usual ; photo grain left in
m_middle_kept ; both ; 0.05 ; mean σ, 6 px ; strokes unrelated to the photo ; strokes follow the photo too well
[style]
s_palette ; high ; 0.1 ; log sliced W1 in Lab ; palette very close ; palette off
s_texture ; high ; 0.1 ; log Mahalanobis ; texture very close ; brush texture off
s_gain ; high ; 0.1 ; log distance ratio ; much closer to the style ; not closer to the style than the photo
s_statistics ; high ; 0.1 ; log Mahalanobis ; local contrast very close ; local contrast off
s_spectrum ; high ; 0.1 ; log Mahalanobis ; frequencies very close ; frequencies off
m_middle ; both ; 0.05 ; mean σ, 6 px ; strokes too weak ; strokes too strong
m_coarse ; both ; 0.05 ; mean σ, 15 px ; broad strokes too weak ; broad strokes too strong
m_colour_detail ; both ; 0.05 ; mean σ ; colours too even ; colours too mottled
m_slant ; both ; 0.05 ; mean σ ; strokes lie down ; strokes stand up
[artifact]
a_periodic_nat ; high ; 0.3 ; log power ratio ; no grid ; a regular grid
a_flat_nat ; high ; 0.5 ; log share of flat blocks ; no flat areas ; flat areas
a_blank_nat ; high ; 0.5 ; log flat x dE ; no blank areas ; a blank area
a_residual ; both ; 0.1 ; log rms dE ; colours too regular ; colours unrelated to the photo
a_clip ; high ; 1.5 ; log share of pixels ; no clipping ; clipped to black or white
a_sharp_nat ; both ; 0.1 ; log ratio of bands ; blurred ; too sharp
a_noise_nat ; both ; 0.1 ; log |Laplacian| ; smoothed ; noisy
a_seam ; high ; 0.1 ; log standard errors ; no seam ; a straight seam
a_join ; high ; 0.1 ; log standard errors ; no join ; a straight join
a_edge ; high ; 0.1 ; log usual steps ; no hard edge ; a hard straight edge
a_pattern_nat ; high ; 0.2 ; log power ratio ; no pattern ; a pattern that repeats
a_blocks_nat ; high ; 0.1 ; log z ; no blocks ; lines at a regular distance
l_spot ; high ; 0.1 ; log d², 8 px ; even ; odd spots
l_place ; high ; 0.1 ; log d², 16 px ; even ; one odd place
l_area ; high ; 0.1 ; log d², 32 px ; even ; one odd area
l_soft ; high ; 0.1 ; σ, worst 16 or 32 px ; colours mottled everywhere ; colours blurred in one place
l_smooth ; high ; 0.1 ; σ, worst 16 or 32 px ; evenly sharp ; blurred in one place
l_rough ; high ; 0.1 ; σ, worst 16 or 32 px ; evenly smooth ; noisy in one place
l_speckle ; high ; 0.1 ; σ, worst 16 or 32 px ; colours evenly smooth ; colours speckled in one place
l_hatched ; high ; 0.1 ; σ, worst 16 or 32 px ; strokes run as usual ; strokes of another slant in one place
l_lost ; high ; 0.1 ; σ, worst 16 or 32 px ; strokes everywhere ; strokes missing in one place
l_bare ; high ; 0.1 ; σ, worst 16 or 32 px ; shapes everywhere ; nothing in one place
[color]
k_light ; both ; 2 ; L, 0..100 ; too dark ; too light
k_red ; both ; 2 ; a ; too green ; too red
k_yellow ; both ; 2 ; b ; too blue ; too yellow
k_contrast ; both ; 1 ; std of L ; contrast lost ; contrast too strong
k_chroma ; both ; 2 ; mean chroma ; colours dull ; colours too strong
k_dark ; both ; 2 ; 5 % quantile of L ; shadows too dark ; shadows too light
k_bright ; both ; 2 ; 95 % quantile of L ; lights too dark ; lights too light
k_entropy ; both ; 0.1 ; bits, 0..6 ; tones lost ; too many tones
m_light ; both ; 0.05 ; mean σ ; too dark ; too light
m_red ; both ; 0.05 ; mean σ ; too green ; too red
m_yellow ; both ; 0.05 ; mean σ ; too blue ; too yellow
m_corners ; both ; 0.02 ; σ of light ; corners too dark ; corners too light
l_colour ; high ; 0.1 ; log d², 32 px ; evenly lit and coloured ; another light or colour in one place
[source]
x_light ; both ; 5 ; L, 0..100 ; dark photo ; light photo
x_red ; both ; 3 ; a ; green photo ; red photo
x_yellow ; both ; 3 ; b ; blue photo ; yellow photo
x_contrast ; both ; 2 ; std of L ; flat light ; hard light
x_chroma ; both ; 3 ; mean chroma ; grey photo ; colourful photo
x_dark ; both ; 5 ; 5 % quantile of L ; deep shadows ; no shadows
x_bright ; both ; 5 ; 95 % quantile of L ; no lights ; bright lights
x_grad ; both ; 0.2 ; log mean gradient ; smooth photo ; busy photo
x_grad4 ; both ; 0.2 ; log mean gradient at 1/4 ; few outlines ; many outlines
x_fine ; both ; 0.2 ; log |Laplacian| ; soft photo ; crisp photo
x_flat ; both ; 0.05 ; share, 0..1 ; no flat areas ; flat areas
x_entropy ; both ; 0.2 ; bits, 0..6 ; few tones ; many tones
x_scale ; both ; 0.5 ; log2 px of the short side ; small photo ; large photo
"""
