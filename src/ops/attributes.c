/* Attributes of the wrong type. Nearly every name has one type wherever the standard uses it (those with two are left
 * out); an operator that asks for it in that type would find nothing, and take the default. */
#include <string.h>

#include "ops/op.h"

// clang-format off
static const struct {
    attribute_type type;
    const char *what, *names; /* each between two spaces */
} standard[] = {
    {ATTRIBUTE_FLOAT, "a float",
     " "
     "alpha beta bias clip cubic_coeff_a default_float epsilon extrapolation_value gamma height_scale "
     "high lambd low max mean min momentum ratio replaced_value_float softcap spatial_scale threshold "
     "value_float width_scale "},
    {ATTRIBUTE_INT, "an integer",
     " "
     "align_corners allowzero antialias axis batch_axis batch_dims block_size blocksize broadcast "
     "ceil_mode center_point_box chunk_size count_include_pad default_int64 detect_negative "
     "detect_positive dtype end exclude_outside exclusive fmod group hidden_size ignore_index "
     "input_forget interleaved inverse is_case_sensitive is_causal is_test k keepdims kv_num_heads "
     "largest layout left_window_size linear_before_reset max_gram_length max_map max_skip_count "
     "maxsplit min_gram_length multi_class n_supports n_targets new_axis noop_with_empty_axes "
     "num_groups num_heads num_outputs num_scan_inputs offset_group one_class onesided "
     "output_datatype output_dtype output_height output_sequence output_width periodic precision "
     "q_num_heads qk_matmul_output_mode replaced_value_int64 reverse right_window_size "
     "rotary_embedding_dim sample_size sampling_ratio saturate select_last_index size "
     "softmax_precision sorted spatial start stash_type storage_order targets time_axis training_mode "
     "transA transB upper value_int zeros "},
    {ATTRIBUTE_STRING, "a string",
     " "
     "activation approximate auto_pad case_change_action cast_to coordinate_transformation_mode "
     "default_string delimiter direction equation keep_aspect_ratio_policy kernel_type locale "
     "map_form mode nearest_mode norm padding_mode pattern pixel_format reduction round_mode "
     "update_rule value_string "},
    {ATTRIBUTE_TENSOR, "a tensor",
     " "
     "base_values_as_tensor class_weights_as_tensor default_tensor keys_tensor leaf_weights "
     "membership_values nodes_hitrates_as_tensor nodes_splits nodes_values_as_tensor "
     "target_weights_as_tensor values_tensor "},
    {ATTRIBUTE_GRAPH, "a graph",
     " "
     "body else_branch then_branch "},
    {ATTRIBUTE_FLOATS, "floats",
     " "
     "activation_alpha activation_beta base_values class_weights coefficients imputed_value_floats "
     "intercepts kernel_params keys_floats nodes_values offset prob_a prob_b rho scales "
     "support_vectors target_weights value_floats values_floats weights "},
    {ATTRIBUTE_INTS, "integers",
     " "
     "axes cats_int64s class_ids class_nodeids class_treeids classlabels_int64s classlabels_ints "
     "consumed_inputs dilations directions ends imputed_value_int64s inputdimensions int64_vocabulary "
     "kernel_shape keys_int64s leaf_targetids ngram_counts ngram_indexes nodes_falseleafs "
     "nodes_falsenodeids nodes_featureids nodes_missing_value_tracks_true nodes_nodeids nodes_treeids "
     "nodes_trueleafs nodes_truenodeids output_padding output_shape paddings pads perm pool_int64s "
     "pooled_shape scan_input_axes scan_input_directions scan_output_axes scan_output_directions "
     "shape split starts strides target_ids target_nodeids target_treeids tree_roots value_ints "
     "values_int64s vectors_per_class "},
    {ATTRIBUTE_STRINGS, "strings",
     " "
     "activations cats_strings classes_strings classlabels_strings keys_strings pool_strings "
     "stopwords string_vocabulary value_strings values_strings "},
};
// clang-format on

static bool holds(const char *names, const char *name) {
    const size_t size = strlen(name);
    for (const char *at = names; size && (at = strstr(at, name)); at++)
        if (at[-1] == ' ' && at[size] == ' ') return true;
    return false;
}

hst_status op_check_attributes(const node *n, hst_error *err) {
    if (strcmp(n->op->domain, "") != 0 && strcmp(n->op->domain, "ai.onnx.ml") != 0) return HST_STATUS_OK;
    for (int i = 0; i < n->n_attributes; i++)
        for (size_t k = 0; k < sizeof standard / sizeof *standard; k++)
            if (n->attributes[i].type != standard[k].type && holds(standard[k].names, n->attributes[i].name))
                return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute '%s' is of type %d, it must be %s (%d)",
                                  n->attributes[i].name, (int)n->attributes[i].type, standard[k].what,
                                  (int)standard[k].type);
    return HST_STATUS_OK;
}
